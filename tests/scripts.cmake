# Integration tests: Python standard library programs that start the real binaries.
file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/integration/test_*.py
  ${CMAKE_CURRENT_SOURCE_DIR}/netns/test_*.py ${CMAKE_CURRENT_SOURCE_DIR}/api/test_*.py
  ${CMAKE_CURRENT_SOURCE_DIR}/interop/test_*.py)
foreach(script ${scripts})
  get_filename_component(name ${script} NAME_WE)
  get_filename_component(folder ${script} DIRECTORY)
  get_filename_component(folder ${folder} NAME)
  string(REPLACE "test_" "" name ${name})
  if(name STREQUAL "instructions" AND PINNACE_SANITIZE)
    continue()  # It counts what the release build costs.
  endif()
  add_test(NAME ${folder}_${name} COMMAND /usr/bin/python3 -B ${script} -v)
  # Exit 77 says "skipped", with the reason on the line that starts with SKIPPED.
  set_tests_properties(${folder}_${name} PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77
    RUN_SERIAL TRUE ENVIRONMENT "PINNACE_BIN=${CMAKE_BINARY_DIR}/bin;PINNACE_SOURCE=${CMAKE_SOURCE_DIR};PINNACE_BUILD=${CMAKE_BINARY_DIR}")
  # The first run of these builds the client.
  if(folder STREQUAL "interop")
    set_tests_properties(${folder}_${name} PROPERTIES TIMEOUT 900)
  endif()
endforeach()

# What runs several threads: tools/test --sanitize thread builds and runs these alone.
set(THREAD_TESTS proxy_event proxy_server sim control_server control_sources
  integration_workers integration_backend_loss integration_proxy_static integration_control_serve)
foreach(name ${THREAD_TESTS})
  if(TEST ${name})
    set_tests_properties(${name} PROPERTIES LABELS threads)
  endif()
endforeach()
add_custom_target(thread_tests DEPENDS pinnace-proxy pinnace-control pinnacectl test_proxy_event
  test_proxy_server test_sim test_control_server test_control_sources)
