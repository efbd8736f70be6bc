# Finds every library; docs/DEPENDENCIES.md says why each was chosen.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(absl REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(OpenSSL REQUIRED)
pkg_check_modules(EVENT REQUIRED IMPORTED_TARGET libevent_core)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2>=1.52.0)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

# Debian 12's nghttp2 1.52.0 is safe only from revision deb12u3 on (CVE-2026-27135: an assert
# after terminate_session that a peer can reach).
if(NGHTTP2_VERSION VERSION_EQUAL "1.52.0" AND EXISTS /usr/bin/dpkg-query)
  execute_process(COMMAND dpkg-query -W -f "\${Version}" libnghttp2-14
    OUTPUT_VARIABLE NGHTTP2_PACKAGE ERROR_QUIET)
  execute_process(COMMAND dpkg --compare-versions "${NGHTTP2_PACKAGE}" ge 1.52.0-1+deb12u3
    RESULT_VARIABLE NGHTTP2_OLD)
  if(NGHTTP2_OLD)
    message(FATAL_ERROR "libnghttp2 ${NGHTTP2_PACKAGE} is open to CVE-2026-27135; "
      "install 1.52.0-1+deb12u3 or newer (apt-get install libnghttp2-14 libnghttp2-dev)")
  endif()
endif()

# BoringSSL, for the proxy alone.
add_library(pinnace_boringssl INTERFACE)
if(PINNACE_BORINGSSL_ROOT)
  target_include_directories(pinnace_boringssl SYSTEM BEFORE INTERFACE ${PINNACE_BORINGSSL_ROOT}/include)
  find_library(BORINGSSL_SSL NAMES ssl PATHS ${PINNACE_BORINGSSL_ROOT} PATH_SUFFIXES lib build ssl
    build/ssl NO_DEFAULT_PATH REQUIRED)
  find_library(BORINGSSL_CRYPTO NAMES crypto PATHS ${PINNACE_BORINGSSL_ROOT} PATH_SUFFIXES lib build
    crypto build/crypto NO_DEFAULT_PATH REQUIRED)
else()
  set(BORINGSSL_DIR /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/android)
  target_include_directories(pinnace_boringssl SYSTEM BEFORE INTERFACE /usr/include/android)
  set(BORINGSSL_SSL ${BORINGSSL_DIR}/libssl.so)
  set(BORINGSSL_CRYPTO ${BORINGSSL_DIR}/libcrypto.so)
  if(NOT EXISTS ${BORINGSSL_SSL})
    message(FATAL_ERROR "BoringSSL is missing: apt-get install android-libboringssl-dev")
  endif()
  target_link_options(pinnace_boringssl INTERFACE -Wl,-rpath,${BORINGSSL_DIR})
endif()
target_link_libraries(pinnace_boringssl INTERFACE ${BORINGSSL_SSL} ${BORINGSSL_CRYPTO})

# pinnace-proxy takes its libraries as archives: a shared library costs every sidecar pages of its own
# for relocations, and a call through a table (docs/decisions/0003-static-sidecar.md). The control
# plane cannot, since grpc++ brings the shared ones. A program asks with the property PINNACE_STATIC.
function(pinnace_either name shared)
  add_library(${name} INTERFACE)
  set(archives "")
  foreach(archive ${ARGN})
    find_library(${name}_${archive} NAMES lib${archive}.a REQUIRED)
    list(APPEND archives ${${name}_${archive}})
  endforeach()
  target_link_libraries(${name} INTERFACE
    "$<IF:$<BOOL:$<TARGET_PROPERTY:PINNACE_STATIC>>,${archives},${shared}>")
endfunction()
pkg_check_modules(ABSL REQUIRED absl_base absl_strings absl_str_format absl_status absl_statusor
  absl_time absl_flat_hash_map absl_flat_hash_set absl_inlined_vector absl_hash
  absl_synchronization)
set(ABSL_ARCHIVES ${ABSL_STATIC_LIBRARIES})
list(FILTER ABSL_ARCHIVES INCLUDE REGEX "^absl_")
pinnace_either(pinnace_absl "absl::base;absl::strings;absl::str_format;absl::status;\
absl::statusor;absl::time;absl::flat_hash_map;absl::flat_hash_set;absl::inlined_vector;\
absl::hash;absl::synchronization" ${ABSL_ARCHIVES})
pinnace_either(pinnace_protobuf protobuf::libprotobuf protobuf z)
pinnace_either(pinnace_event PkgConfig::EVENT event_core)
pinnace_either(pinnace_nghttp2 PkgConfig::NGHTTP2 nghttp2)
pinnace_either(pinnace_re2 PkgConfig::RE2 re2)
pinnace_either(pinnace_xxhash PkgConfig::XXHASH xxhash)
pinnace_either(pinnace_yaml yaml-cpp yaml-cpp)

# Fails when a program would hold both BoringSSL and OpenSSL (which grpc++ brings).
function(pinnace_links_of target seen out)
  get_target_property(libs ${target} LINK_LIBRARIES)
  get_target_property(interface ${target} INTERFACE_LINK_LIBRARIES)
  set(all ${${seen}})
  foreach(lib ${libs} ${interface})
    if(TARGET ${lib} AND NOT lib IN_LIST all)
      list(APPEND all ${lib})
      pinnace_links_of(${lib} all all)
    endif()
  endforeach()
  set(${out} ${all} PARENT_SCOPE)
endfunction()
function(pinnace_refuse_both)
  foreach(target ${ARGN})
    set(links "")
    pinnace_links_of(${target} links links)
    if("pinnace_boringssl" IN_LIST links AND "gRPC::grpc++" IN_LIST links)
      message(FATAL_ERROR "${target} links BoringSSL and grpc++ (OpenSSL): see decision 3")
    endif()
  endforeach()
endfunction()
