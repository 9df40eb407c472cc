// The least that a gRPC server can do, with gRPC's own library: it takes any unary call as bytes and answers
// with the bytes of a file, without looking at what was asked.
//
//   salver_grpc_echo PORT ANSWER
//
//   ANSWER    a file with a message, as a feature server gave it
//
// One thread with one completion queue, as the feature server beside it has one event loop. Serves until it
// is ended.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "peer.h"

namespace {

using salver_bench::Fail;

// Waits for a call, reads its message, answers, and makes room for the next.
class Call {
 public:
  Call(grpc::AsyncGenericService* service, grpc::ServerCompletionQueue* queue, const grpc::ByteBuffer& answer)
      : service_(service), queue_(queue), answer_(answer), stream_(&context_) {
    service_->RequestCall(&context_, &stream_, queue_, queue_, this);
  }
  void Go(bool ok) {
    if (!ok || stage_ == Stage::kAnswered) return delete this;
    if (stage_ == Stage::kWaiting) {
      new Call(service_, queue_, answer_);
      stage_ = Stage::kReading;
      return stream_.Read(&asked_, this);
    }
    stage_ = Stage::kAnswered;
    stream_.WriteAndFinish(answer_, grpc::WriteOptions(), grpc::Status::OK, this);
  }

 private:
  enum class Stage { kWaiting, kReading, kAnswered };

  grpc::AsyncGenericService* const service_;
  grpc::ServerCompletionQueue* const queue_;
  const grpc::ByteBuffer& answer_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  grpc::ByteBuffer asked_;
  Stage stage_ = Stage::kWaiting;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) Fail("usage: salver_grpc_echo PORT ANSWER");
  std::ifstream file(arguments[2], std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  if (bytes.empty()) Fail(std::string(arguments[2]) + " holds no message");
  grpc::Slice slice(bytes);
  const grpc::ByteBuffer answer(&slice, 1);
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("127.0.0.1:") + arguments[1], grpc::InsecureServerCredentials());
  builder.RegisterAsyncGenericService(&service);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  if (server == nullptr) Fail(std::string("can not listen on port ") + arguments[1]);
  constexpr int kWaiting = 256;  // calls that are taken at once
  for (int i = 0; i < kWaiting; ++i) new Call(&service, queue.get(), answer);
  void* tag = nullptr;
  for (bool ok = false; queue->Next(&tag, &ok);) static_cast<Call*>(tag)->Go(ok);
}
