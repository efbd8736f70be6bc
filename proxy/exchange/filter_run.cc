// Both messages' ways past the filters of a stream.
#include "proxy/exchange/filter_run.h"

#include <utility>

namespace proxy {

// One filter with what it holds; the host that the filter knows.
struct FilterRun::Slot final : FilterHost {
  Slot(FilterRun& whole, FilterStream& of) : run(whole), stream(of) {}
  EventLoop& loop() override { return stream.loop(); }
  size_t worker() const override { return stream.worker(); }
  StreamInfo& info() override { return stream.info(); }
  proxy::RequestHead& request() override { return stream.request(); }
  SideCalls& side_calls() override { return stream.side_calls(); }
  const Transport* transport() override { return stream.transport(); }
  const Route* route() override { return stream.route(); }
  const VirtualHost* virtual_host() override { return stream.virtual_host(); }
  void ResumeRequest() override { run.Resume(kRequest, *this); }
  void ResumeResponse() override { run.Resume(kResponse, *this); }
  void Reply(FilterReply reply) override {
    if (!run.ended_) stream.OnFilterReply(std::move(reply));
  }
  void SetRequestBufferMax(size_t bytes) override { run.lanes_[kRequest].held_max = bytes; }
  void ClearRoute() override { stream.OnClearRoute(); }

  FilterRun& run;
  FilterStream& stream;
  std::unique_ptr<Filter> filter;
  size_t index = 0;
  std::unique_ptr<Hold> holds[2];
};

FilterRun::FilterRun(FilterStream& stream, std::span<const FilterEntry> entries, size_t buffer_max,
                     const RouteLookup& lookup)
    : stream_(stream) {
  lanes_[kRequest].held_max = lanes_[kResponse].held_max = buffer_max;
  slots_.reserve(entries.size());
  std::vector<const RouteFilterConfig*> found;
  for (const FilterEntry& entry : entries) {
    found.clear();
    if (!lookup(entry, found)) continue;
    auto slot = std::make_unique<Slot>(*this, stream);
    slot->filter = entry.make(*slot, found);
    if (slot->filter == nullptr) continue;
    slot->index = slots_.size();
    slots_.push_back(std::move(slot));
  }
}

FilterRun::~FilterRun() = default;

FilterRun::Slot& FilterRun::At(Way way, size_t step) {
  return *slots_[way == kRequest ? step : slots_.size() - 1 - step];
}

void FilterRun::ResponseHead(bool last) {
  response_seen_ = true;
  PushHead(kResponse, 0, last);
}

void FilterRun::PushHead(Way way, size_t step, bool last) {
  for (; step < slots_.size(); ++step) {
    Slot& slot = At(way, step);
    const Next next = way == kRequest ? slot.filter->OnRequestHead(stream_.request(), last)
                                      : slot.filter->OnResponseHead(stream_.response(), last);
    if (lanes_[way].stopped) return;
    if (next == Next::kContinue) continue;
    Hold& hold = HoldAt(way, slot, next);
    hold.head = true;
    hold.last = last;
    return;
  }
  way == kRequest ? stream_.OnFilteredRequestHead(last) : stream_.OnFilteredResponseHead(last);
}

void FilterRun::PushData(Way way, size_t step, absl::string_view data, bool last) {
  for (; step < slots_.size(); ++step) {
    if (lanes_[way].stopped) return;
    Slot& slot = At(way, step);
    Hold* hold = slot.holds[way].get();
    if (hold != nullptr && hold->how == Next::kPause) {
      if (last) hold->last = hold->last_unseen = true;
      Keep(way, *hold, hold->unseen, data);
      return;
    }
    const Next next = way == kRequest ? slot.filter->OnRequestData(data, last)
                                      : slot.filter->OnResponseData(data, last);
    if (lanes_[way].stopped) return;
    if (next == Next::kContinue && hold == nullptr) {
      if (data.empty() && !last) return;  // The filter has taken it in.
      continue;
    }
    Hold& kept = HoldAt(way, slot, next);
    if (last) kept.last = true;
    if (next == Next::kContinue) {
      lanes_[way].held += data.size();  // Goes on at once: no limit.
      kept.seen.append(data.data(), data.size());
      return Release(way, step);
    }
    Keep(way, kept, kept.seen, data);
    return;
  }
  if (lanes_[way].stopped) return;
  way == kRequest ? stream_.OnFilteredRequestData(data, last)
                  : stream_.OnFilteredResponseData(data, last);
}

void FilterRun::PushTrailers(Way way, size_t step, Headers trailers) {
  for (; step < slots_.size(); ++step) {
    if (lanes_[way].stopped) return;
    Slot& slot = At(way, step);
    Hold* hold = slot.holds[way].get();
    if (hold != nullptr && hold->how == Next::kPause) {
      hold->trailers = std::move(trailers);
      hold->trailers_unseen = true;
      return;
    }
    std::string data;
    const Next next = way == kRequest ? slot.filter->OnRequestTrailers(trailers, data)
                                      : slot.filter->OnResponseTrailers(trailers, data);
    if (lanes_[way].stopped) return;
    if (next == Next::kContinue && hold == nullptr) {
      if (!data.empty()) PushData(way, step + 1, data, false);
      continue;
    }
    Hold& kept = HoldAt(way, slot, next);
    lanes_[way].held += data.size();
    kept.seen += data;
    kept.trailers = std::move(trailers);
    if (next == Next::kContinue) Release(way, step);
    return;
  }
  if (lanes_[way].stopped) return;
  way == kRequest ? stream_.OnFilteredRequestTrailers(std::move(trailers))
                  : stream_.OnFilteredResponseTrailers(std::move(trailers));
}

FilterRun::Hold& FilterRun::HoldAt(Way way, Slot& slot, Next how) {
  std::unique_ptr<Hold>& hold = slot.holds[way];
  if (hold == nullptr) {
    hold = std::make_unique<Hold>();
    if (way == kRequest && how == Next::kCollect) stream_.OnCollectRequest();
  }
  if (how != Next::kContinue) hold->how = how;
  return *hold;
}

bool FilterRun::Keep(Way way, Hold& hold, std::string& into, absl::string_view data) {
  Lane& lane = lanes_[way];
  lane.held += data.size();
  into.append(data.data(), data.size());
  if (lane.held <= lane.held_max) return true;
  if (hold.how == Next::kCollect) {
    stream_.OnFilterOverflow(way == kRequest);
    return false;
  }
  if (!lane.high) {
    lane.high = true;
    stream_.OnFilterPressure(way == kRequest, true);
  }
  return true;
}

void FilterRun::Release(Way way, size_t step) {
  Lane& lane = lanes_[way];
  const std::unique_ptr<Hold> hold = std::move(At(way, step).holds[way]);
  lane.held -= hold->seen.size() + hold->unseen.size();
  const bool seen_last = hold->last && !hold->last_unseen;
  const bool head_last = seen_last && hold->seen.empty();
  if (hold->head) PushHead(way, step + 1, head_last);
  if (!hold->seen.empty() || (seen_last && !hold->head)) {
    PushData(way, step + 1, hold->seen, seen_last);
  }
  if (!hold->unseen.empty() || hold->last_unseen) {
    PushData(way, step, hold->unseen, hold->last_unseen);
  }
  if (hold->trailers) {
    PushTrailers(way, step + (hold->trailers_unseen ? 0 : 1), *std::move(hold->trailers));
  }
  Relax(way);
}

void FilterRun::Resume(Way way, Slot& slot) {
  if (ended_ || lanes_[way].stopped || slot.holds[way] == nullptr) return;
  Release(way, way == kRequest ? slot.index : slots_.size() - 1 - slot.index);
}

void FilterRun::Relax(Way way) {
  Lane& lane = lanes_[way];
  if (!lane.high || lane.held > lane.held_max / 2 || lane.stopped || ended_) return;
  lane.high = false;
  stream_.OnFilterPressure(way == kRequest, false);
}

void FilterRun::Stop(Way way) {
  Lane& lane = lanes_[way];
  if (lane.stopped) return;
  lane.held = 0;
  Relax(way);
  lane.stopped = true;
}

void FilterRun::StopRequest() { Stop(kRequest); }
void FilterRun::StopResponse() { Stop(kResponse); }

void FilterRun::End(const StreamInfo& info) {
  if (ended_) return;
  ended_ = true;
  lanes_[kRequest].stopped = lanes_[kResponse].stopped = true;
  for (const auto& slot : slots_) slot->filter->OnStreamEnd(info);
}

}  // namespace proxy
