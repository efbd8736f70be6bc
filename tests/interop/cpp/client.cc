// Calls xds:///TARGET as standard input says; see grpc_mesh.py for the lines.
#include <chrono>
#include <iostream>
#include <map>
#include <sstream>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>

namespace {

std::string CodeName(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::UNAVAILABLE: return "UNAVAILABLE";
    case grpc::StatusCode::DEADLINE_EXCEEDED: return "DEADLINE_EXCEEDED";
    case grpc::StatusCode::UNIMPLEMENTED: return "UNIMPLEMENTED";
    default: return std::to_string(code);
  }
}

std::string Call(grpc::GenericStub& stub, const std::string& method,
                 const std::vector<std::string>& pairs) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  for (const std::string& pair : pairs) {
    const size_t equals = pair.find('=');
    context.AddMetadata(pair.substr(0, equals), pair.substr(equals + 1));
  }
  grpc::CompletionQueue queue;
  const grpc::Slice nothing;
  grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  auto reader = stub.PrepareUnaryCall(&context, "/test.Echo/" + method, request, &queue);
  reader->StartCall();
  reader->Finish(&response, &status, &context);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) {
    std::cerr << status.error_message() << "\n";
    return "!" + CodeName(status.error_code());
  }
  std::vector<grpc::Slice> slices;
  response.Dump(&slices);
  std::string text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

}  // namespace

int main() {
  std::map<std::string, std::unique_ptr<grpc::GenericStub>> stubs;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string target;
    std::string method;
    int count = 0;
    words >> target >> method >> count;
    std::vector<std::string> pairs;
    for (std::string pair; words >> pair;) pairs.push_back(pair);
    auto& stub = stubs[target];
    if (stub == nullptr) {
      stub = std::make_unique<grpc::GenericStub>(
          grpc::CreateChannel("xds:///" + target, grpc::InsecureChannelCredentials()));
    }
    std::map<std::string, int> seen;
    for (int i = 0; i < count; ++i) ++seen[Call(*stub, method, pairs)];
    for (const auto& [id, n] : seen) std::cout << id << "=" << n << " ";
    std::cout << std::endl;
  }
}
