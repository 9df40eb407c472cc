// How the calls of an HTTP/2 connection are run: at once, in the loop's queue, or on a pool.
#include "server/http/http2_call.h"

#include <boost/asio/post.hpp>

#include <new>

#include "server/feast_errors.h"
#include "server/http/grpc_framing.h"

namespace salver {

namespace asio = boost::asio;

void Http2Connection::Handle(const std::shared_ptr<Call>& call) {
  body_bytes_ -= call->request.body.size();
  call->stage = Call::Stage::kHandling;
  call->answered.handling_start = Clock::now();
  call->limit = Clock::time_point::max();  // its turn comes, and a materialization takes the time it takes
  if (call->grpc && !loop_->metrics_only && call->request.method == "POST") {
    call->method = FindGrpcMethod(call->request.path());
  } else if (!call->grpc) {
    call->route = FindRoute(call->request, loop_->metrics_only, &call->response);
  }
  if (!call->endpoint()) {
    call->status = Status::Unimplemented("there is no method \"" + std::string(call->request.path()) +
                                         "\" here. docs/serving.md lists the methods.");
    return Answer(call.get());
  }
  if (call->turn() == HttpTurn::kAtOnce) {
    Run(call.get());
    return Answer(call.get());
  }
  if (call->turn() != HttpTurn::kQueued) return RunLater(call);
  size_t answer_bytes = 0;
  if (!loop_->queue.Enter(call, *call->endpoint(), call->request.body.size(), call->answered.request_end,
                          &answer_bytes))
    return RefuseForNow(call.get(), kTooBusy);
  call->runs_on = shared_from_this();
  call->held.Taken(answer_bytes);
}

void Http2Connection::RunInTurn(Call* call, bool in_time, Clock::time_point now) {
  if (call->closed) return;
  if (in_time) {
    call->answered.handling_start = now;
    Run(call);  // others may be run meanwhile, and the client may give up
    loop_->queue.Learn(*call->endpoint(), call->request.body.size(), call->response.body.size(),
                       Clock::now() - now);
    if (call->closed) return Record(call);
    Answer(call);
  } else {
    RefuseForNow(call, kTooBusy);
  }
  SendSoon();
}

void Http2Connection::RunLater(const std::shared_ptr<Call>& call) {
  auto self = shared_from_this();
  const bool queued = server_->context.run_later(call->turn(), [self, call] {
    call->answered.handling_start = Clock::now();
    self->Run(call.get());
    asio::post(self->stream_.executor(), [self, call] {
      if (call->closed) return self->Record(call.get());  // done all the same
      self->Answer(call.get());
      self->Send();
    });
  });
  if (!queued) RefuseForNow(call.get(), kTooManyWaiting);
}

void Http2Connection::RefuseForNow(Call* call, std::string_view reason) {
  call->response = TryLater(reason);
  call->status = Status::Unavailable(std::string(reason));
  Answer(call);
}

void Http2Connection::Run(Call* call) const noexcept {
  if (call->grpc) return RunGrpc(call);
  call->response = RunRoute(*call->route, call->request, server_->context);
}

void Http2Connection::RunGrpc(Call* call) const noexcept {
  try {
    const Deadline deadline = call->deadline(
        std::chrono::duration_cast<std::chrono::microseconds>(server_->options.request_time_max));
    const auto message = GrpcMessage(call->request.body);
    call->status = message.status();
    if (call->status.ok() && deadline.Passed()) {
      call->status = Status::DeadlineExceeded("the time of the call was over before its turn came.");
    }
    if (!call->status.ok()) return;
    call->response.body.assign(kGrpcPrefix, '\0');
    call->status = call->method->handle(*message, server_->context, deadline, &call->response);
    if (call->status.ok()) SetGrpcPrefix(&call->response.body);
  } catch (const std::bad_alloc&) {
    call->status = Status::ResourceExhausted("out of memory. Ask for less.");
  } catch (const std::exception& error) {
    call->status = Status::Internal(error.what());
  }
}

void Http2Connection::Record(Call* call) {
  AnsweredRequest& answered = call->answered;
  answered.method = call->request.method;
  answered.path = call->request.path();
  answered.status = call->response.status;
  if (call->grpc) {
    answered.status = call->status.ok() ? 200 : ToFeastError(call->status).http_status;
    answered.grpc_status = StatusCodeName(call->status.code());
  }
  answered.request_bytes = call->request.body.size();
  answered.bytes = call->response.body.size();
  answered.endpoint = call->endpoint();
  answered.steps = call->response.steps;
  answered.shape = call->response.shape;
  answered.answer_start = Clock::now();
  RecordAnswer(answered, server_->options, &server_->metrics);
}

}  // namespace salver
