// When each beat moves: the rules of gan2hls/kernels/*rules.py, upsample.py and iterations.py, compiled.
//
// A track is a growing list of cycles of which the last ones are kept; a rule extends tracks. `run` extends them as far
// as the rule's reads allow and then says for which entry of which track it waits. Every entry is computed from entries
// alone, and a rule changes its own state only once an entry that it waited for is there, so that it can be run again from
// its start. The comments in the Python files say what the rules mean; names are the same.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

namespace {

using Int = std::int64_t;
constexpr Int never = -(Int{1} << 60);
constexpr Int mixed = std::numeric_limits<Int>::min();  // shift of a frame whose beats were not shifted alike

struct Rule;

using Rules = std::vector<Rule*>;

class Track {
 public:
  Int count = 0;
  Int first = 0;
  std::vector<Int> ends;  // the last entry of each frame
  Int shift = mixed;      // how much later the last frame was than the one before
  Int alike = 0;          // how many frames in a row were later by that

  // `ready` gets the rules that have waited for what comes.
  void open(Int capacity, Int per_frame, Rules* ready) {
    Int size = 1;
    while (size < capacity) size *= 2;
    entries_.assign(static_cast<std::size_t>(size), 0);
    mask_ = size - 1;
    per_frame_ = left_ = per_frame;
    ready_ = ready;
  }

  Int operator[](Int index) const {
    if (count - index > mask_ + 1) throw std::out_of_range("an entry that is no longer kept");
    return entries_[static_cast<std::size_t>(index & mask_)];
  }

  void push(Int cycle) {
    if (per_frame_) log(cycle);
    entries_[static_cast<std::size_t>(count & mask_)] = cycle;
    if (++count >= wake_) wake();
  }

  Int kept() const { return std::min(count, mask_ + 1); }
  Int frames() const { return static_cast<Int>(ends.size()); }
  void wait(Rule* rule);

 private:
  std::vector<Int> entries_;
  Int mask_ = 0;
  Int per_frame_ = 0, left_ = 0;
  // A frame's rhythm is a digest of its cycles as they follow each other; 64 well mixed bits stand for all of them.
  std::uint64_t rhythm_ = 0, rhythm_before_ = 0;
  Int start_ = 0, start_before_ = 0, last_ = 0;
  Int wake_ = std::numeric_limits<Int>::max();
  Rule* waiting_ = nullptr;
  Rules* ready_ = nullptr;

  void log(Int cycle) {
    if (left_ == per_frame_) {
      if (count == 0) first = cycle;
      start_before_ = start_;
      rhythm_before_ = rhythm_;
      start_ = last_ = cycle;
      rhythm_ = 0;
    }
    rhythm_ = (rhythm_ ^ static_cast<std::uint64_t>(cycle - last_)) * 0x9E3779B97F4A7C15u;
    rhythm_ ^= rhythm_ >> 32;
    last_ = cycle;
    if (--left_ == 0) {
      left_ = per_frame_;
      ends.push_back(cycle);
      Int later = frames() > 1 && rhythm_ == rhythm_before_ ? start_ - start_before_ : mixed;
      alike = later == mixed ? 0 : later == shift ? alike + 1 : 1;
      shift = later;
    }
  }
  void wake();
};

struct Rule {
  std::vector<Track*> reads, writes;
  Track* awaited = nullptr;  // while it waits
  Int entries = 0;           // that this track must have
  Rule* beside = nullptr;    // another rule that waits for the same track

  virtual ~Rule() = default;
  virtual void run() = 0;

 protected:
  bool lacks(Track* track, Int count) {
    if (track->count >= count) return false;
    awaited = track;
    entries = count;
    return true;
  }
};

void Track::wait(Rule* rule) {
  rule->beside = waiting_;
  waiting_ = rule;
  wake_ = std::min(wake_, rule->entries);
}

void Track::wake() {
  Rule* still = nullptr;
  wake_ = std::numeric_limits<Int>::max();
  for (Rule* rule = waiting_; rule;) {
    Rule* other = rule->beside;
    if (rule->entries <= count) {
      rule->awaited = nullptr;
      ready_->push_back(rule);
    } else {
      rule->beside = still;
      still = rule;
      wake_ = std::min(wake_, rule->entries);
    }
    rule = other;
  }
  waiting_ = still;
}

// -- rules, in the order of their codes -------------------------------------------------------------------------------

struct Source : Rule {
  Int released, beats, period, beat = 0;
  bool second = true;  // the second frame is there with the first
  explicit Source(const std::vector<Int>& n) : released(n.at(0)), beats(n.at(1)), period(n.at(2)) {}
  void run() override {
    Track *taken = reads[0], *offered = writes[0];
    if (offered->count == 0) offered->push(released);
    for (;;) {
      if (lacks(taken, offered->count)) return;
      if (++beat == beats) {
        beat = 0;
        if (!second) released += period;
        second = false;
      }
      offered->push(std::max((*taken)[offered->count - 1] + 1, released));
    }
  }
};

struct Sink : Rule {
  Int beats, frame = 0, beat = 0;
  explicit Sink(const std::vector<Int>& n) : beats(n.at(0)) {}
  void run() override {
    Track *offered = reads[0], *gate = reads[1], *taken = writes[0];
    for (;;) {
      if (lacks(gate, frame + 1) || lacks(offered, taken->count + 1)) return;
      Int cycle = std::max((*offered)[taken->count], (*gate)[frame]);
      if (++beat == beats) {
        beat = 0;
        ++frame;
      }
      taken->push(cycle);
    }
  }
};

struct Take : Rule {
  std::size_t inputs;
  Int room, group;
  explicit Take(const std::vector<Int>& n) : inputs(static_cast<std::size_t>(n.at(0))), room(n.at(1)), group(n.at(2)) {}
  void run() override {
    for (;;) {
      Int beat = writes[0]->count, cycle = never;
      for (std::size_t i = 0; i < inputs; ++i) {
        if (lacks(reads[i], beat + 1)) return;
        cycle = std::max(cycle, (*reads[i])[beat]);
      }
      if (beat >= room) {
        Int leaving = group == 1 ? beat - room : (beat - room) / group;
        for (std::size_t i = inputs; i < reads.size(); ++i) {
          if (lacks(reads[i], leaving + 1)) return;
          cycle = std::max(cycle, (*reads[i])[leaving] + 1);
        }
      }
      for (Track* taken : writes) taken->push(cycle);
    }
  }
};

struct Offer : Rule {
  Int latency;
  explicit Offer(const std::vector<Int>& n) : latency(n.at(0)) {}
  void run() override {
    Track *arrived = reads[0], *taken = reads[1], *offered = writes[0];
    for (;;) {
      Int beat = offered->count;
      if (lacks(arrived, beat + 1) || lacks(taken, beat)) return;
      Int cycle = (*arrived)[beat] + latency;
      if (beat) cycle = std::max(cycle, (*taken)[beat - 1]);
      offered->push(cycle + 1);
    }
  }
};

// Moves and the clock, as `Enter` and `Walk` have them: the lag of the exits that they have seen.
struct Moving : Rule {
  Int lag = 0, reached = never, seen = 0;

 protected:
  // Whether `move` is known: with the lag of all exits at or before it. `start` is the first cycle in which it may happen.
  bool moves_at(Track* moves, Track* exits, Int free, Int start, Int& move) {
    move = std::max({free, reached, start - lag});
    while (seen < moves->count && (*moves)[seen] <= move) {
      if (lacks(exits, seen + 1)) return false;
      see(moves, exits);
      move = std::max({free, reached, start - lag});
    }
    return true;
  }
  bool sees(Track* moves, Track* exits, Int last) {
    while ((*moves)[seen] <= last) {
      if (lacks(exits, seen + 1)) return false;
      see(moves, exits);
    }
    return true;
  }

 private:
  void see(Track* moves, Track* exits) {
    reached = (*moves)[seen];
    lag = (*exits)[seen] - reached;
    ++seen;
  }
};

struct Enter : Moving {
  Int delay, free = never;
  explicit Enter(const std::vector<Int>& n) : delay(n.at(0)) {}
  void run() override {
    Track *offered = reads[0], *exits = reads[1], *taken = writes[0], *moves = writes[1];
    for (;;) {
      if (lacks(offered, taken->count + 1)) return;
      Int move;
      if (!moves_at(moves, exits, free, (*offered)[taken->count], move)) return;
      free = move + 1;
      moves->push(move + delay);
      taken->push(move + lag);
    }
  }
};

struct Exit : Rule {
  Int lag = 0;
  void run() override {
    Track *moves = reads[0], *taken = reads[1], *exits = writes[0];
    for (;;) {
      Int beat = exits->count;
      if (lacks(moves, beat + 1) || lacks(taken, beat - 1)) return;
      Int move = (*moves)[beat];
      if (beat >= 2) lag = std::max(lag, (*taken)[beat - 2] + 1 - move);
      exits->push(move + lag);
    }
  }
};

struct Interleave : Rule {
  std::vector<Int> beats;
  std::size_t turn = 0;
  Int had = 0;
  explicit Interleave(const std::vector<Int>& n) : beats(n) {}
  void run() override {
    Track *departed = reads.back(), *arrived = writes.back();
    for (;;) {
      Track *offered = reads[turn], *taken = writes[turn];
      Int beat = arrived->count;
      if (lacks(offered, taken->count + 1) || lacks(departed, beat - 1)) return;
      Int cycle = (*offered)[taken->count];
      if (beat) cycle = std::max(cycle, (*arrived)[beat - 1] + 1);
      if (beat >= 2) cycle = std::max(cycle, (*departed)[beat - 2] + 1);
      taken->push(cycle);
      arrived->push(cycle);
      if (++had == beats[turn]) {
        had = 0;
        turn = (turn + 1) % beats.size();
      }
    }
  }
};

struct Select : Rule {
  Int start, stop, of, beat = 0;
  explicit Select(const std::vector<Int>& n) : start(n.at(0)), stop(n.at(1)), of(n.at(2)) {}
  void run() override {
    Track *offered = reads[0], *departed = reads[1], *taken = writes[0], *arrived = writes[1];
    for (;;) {
      Int kept = arrived->count;
      if (lacks(offered, taken->count + 1) || lacks(departed, kept - 1)) return;
      Int cycle = (*offered)[taken->count];
      if (kept >= 2) cycle = std::max(cycle, (*departed)[kept - 2] + 1);
      taken->push(cycle);
      if (start <= beat && beat < stop) arrived->push(cycle);
      beat = beat + 1 == of ? 0 : beat + 1;
    }
  }
};

// A list that is read round and round.
class Round {
 public:
  explicit Round(std::vector<Int> list) : list_(std::move(list)) {}
  Int operator*() const { return list_[at_]; }
  void next() { at_ = at_ + 1 == list_.size() ? 0 : at_ + 1; }

 private:
  std::vector<Int> list_;
  std::size_t at_ = 0;
};

struct Split : Rule {
  Round parts;
  Int left = 0, counted = 1;  // parts of the first `counted` - 1 wide beats
  explicit Split(const std::vector<Int>& n) : parts(n) {}
  void run() override {
    Track *offered = reads[0], *departed = reads[1], *taken = writes[0];
    for (;;) {
      Int beat = taken->count;
      if (lacks(offered, beat + 1)) return;
      Int cycle = (*offered)[beat];
      if (beat >= 2) {
        if (counted < beat) {
          left += *parts;
          parts.next();
          ++counted;
        }
        if (lacks(departed, left)) return;
        cycle = std::max(cycle, (*departed)[left - 1] + 1);
      }
      taken->push(cycle);
    }
  }
};

struct Parts : Rule {
  Round parts;
  Int wide = 0, part = 0;
  explicit Parts(const std::vector<Int>& n) : parts(n) {}
  void run() override {
    Track *arrived = reads[0], *taken = reads[1], *offered = writes[0];
    for (;;) {
      Int beat = offered->count;
      if (lacks(arrived, wide + 1) || lacks(taken, beat)) return;
      Int cycle = (*arrived)[wide];
      if (beat) cycle = std::max(cycle, (*taken)[beat - 1]);
      offered->push(cycle + 1);
      if (++part == *parts) {
        parts.next();
        part = 0;
        ++wide;
      }
    }
  }
};

struct Gather : Rule {
  Round parts;
  Int free = never, part = 0;
  explicit Gather(const std::vector<Int>& n) : parts(n) {}
  void run() override {
    Track *offered = reads[0], *departed = reads[1], *taken = writes[0], *wide = writes[1];
    for (;;) {
      if (part < *parts) {
        Int beat = taken->count;
        if (lacks(offered, beat + 1)) return;
        taken->push(std::max((*offered)[beat], free));
        ++part;
        continue;
      }
      Int beat = wide->count;
      if (lacks(departed, beat)) return;
      free = (*taken)[taken->count - 1];
      if (beat) free = std::max(free, (*departed)[beat - 1]);
      wide->push(++free);
      part = 0;
      parts.next();
    }
  }
};

std::vector<Int> some(const std::vector<Int>& list, Int from, Int to) {
  return {list.begin() + from, list.begin() + to};
}

struct Pour : Rule {
  Int room, level = 0, gone = 0, latest = never;
  Round puts, takes;
  explicit Pour(const std::vector<Int>& n)
      : room(n.at(0)), puts(some(n, 2, 2 + n.at(1))), takes(some(n, 2 + n.at(1), static_cast<Int>(n.size()))) {}
  void run() override {
    Track *offered = reads[0], *departed = reads[1], *taken = writes[0];
    for (;;) {
      Int beat = taken->count;
      if (lacks(offered, beat + 1)) return;
      while (level > room) {
        if (lacks(departed, gone + 1)) return;
        latest = (*departed)[gone] + 1;  // departures only rise
        level -= *takes;
        takes.next();
        ++gone;
      }
      taken->push(std::max((*offered)[beat], latest));
      level += *puts;
      puts.next();
    }
  }
};

struct Draw : Rule {
  Int level = 0, came = 0;
  bool drawn = false;  // whether the next beat's elements are out of `level`
  Round puts, takes;
  explicit Draw(const std::vector<Int>& n)
      : puts(some(n, 1, 1 + n.at(0))), takes(some(n, 1 + n.at(0), static_cast<Int>(n.size()))) {}
  void run() override {
    Track *arrived = reads[0], *taken = reads[1], *offered = writes[0];
    for (;;) {
      if (!drawn) {
        level -= *takes;
        takes.next();
        drawn = true;
      }
      while (level < 0) {
        if (lacks(arrived, came + 1)) return;
        level += *puts;
        puts.next();
        ++came;
      }
      Int beat = offered->count;
      if (lacks(taken, beat)) return;
      Int cycle = (*arrived)[came - 1];
      if (beat) cycle = std::max(cycle, (*taken)[beat - 1]);
      offered->push(cycle + 1);
      drawn = false;
    }
  }
};

struct Table {
  const Int* data;
  Int size;
};

struct Load : Rule {
  Int ring, freed, frame = 0, pixel = 0, freeing = 0;
  Table frees;
  Load(const std::vector<Int>& n, const Table* t) : ring(n.at(0)), freed(t[0].data[0]), frees(t[0]) {}
  void run() override {
    Track *offered = reads[0], *finished = reads[1], *taken = writes[0];
    for (;;) {
      Int word = taken->count;
      if (lacks(offered, word + 1)) return;
      Int cycle = (*offered)[word];
      if (word >= ring) {
        while (freed <= word - ring) {
          ++freeing;
          if (++pixel == frees.size) {
            pixel = 0;
            frame += frees.data[frees.size - 1];
          }
          freed = frame + frees.data[pixel];
        }
        if (lacks(finished, freeing + 1)) return;
        cycle = std::max(cycle, (*finished)[freeing] + 2);
      }
      taken->push(cycle);
    }
  }
};

struct Walk : Moving {
  Int groups, delay, frame_words;
  Table needs, steps;
  Int pixel = 0, frame = 0, words = 0, free = never, end = never;
  enum { Start, Steps, Finish } phase = Start;
  bool fresh = false;  // whether the pixel needs a word that the one before did not
  Walk(const std::vector<Int>& n, const Table* t)
      : groups(n.at(0)), delay(n.at(1)), frame_words(n.at(2)), needs(t[0]), steps(t[1]) {}
  void run() override {
    Track *taken = reads[0], *exits = reads[1], *moves = writes[0], *finished = writes[1];
    for (;;) {
      if (phase == Start) {
        Int needed = frame + needs.data[pixel], start = end + 1;
        if (needed > words) {
          words = needed;
          fresh = true;
        }
        if (fresh) {
          if (lacks(taken, words)) return;
          start = std::max(end, (*taken)[words - 1] + 2) + 1;
        }
        Int move;
        if (!moves_at(moves, exits, free, start, move)) return;
        Int each = steps.data[pixel];
        free = move + each * groups;
        phase = Steps;
        fresh = false;
        for (Int exit = move + each - 1 + delay; exit < free + delay; exit += each) moves->push(exit);
      }
      if (phase == Steps) {
        if (!sees(moves, exits, free - 1)) return;
        end = free - 1 + lag;
        phase = Finish;
      }
      if (!sees(moves, exits, free)) return;
      phase = Start;
      if (++pixel == needs.size) {
        pixel = 0;
        frame += frame_words;
      }
      finished->push(free + lag);
    }
  }
};

struct Repeat : Rule {
  Int width, words, rows, columns;
  Int row = 0, x = 0, column = 0, word = 0;  // of the word being read
  Int arrived = never, fetched = 0, read = never;
  bool known = false;                        // whether `read` is that of this word
  explicit Repeat(const std::vector<Int>& n) : width(n.at(0)), words(n.at(1)), rows(n.at(2)), columns(n.at(3)) {}
  void run() override {
    Track *taken = reads[0], *departed = reads[1], *entered = writes[0], *released = writes[1];
    for (;;) {
      if (!known) {
        read = arrived;
        if (row == 0 && column == 0) {
          if (lacks(taken, fetched + 1)) return;
          read = std::max(read, (*taken)[fetched++] + 1);
        }
        known = true;
        if (row == rows - 1 && column == columns - 1 && word == words - 1) released->push(read);
      }
      Int out = entered->count;
      if (lacks(departed, out - 1)) return;
      if (out >= 2) read = std::max(read, (*departed)[out - 2]);
      arrived = read + 1;
      known = false;
      step();
      entered->push(arrived);
    }
  }

 private:
  void step() {
    if (++word < words) return;
    word = 0;
    if (++column < columns) return;
    column = 0;
    if (++x < width) return;
    x = 0;
    row = row + 1 == rows ? 0 : row + 1;
  }
};

struct Process : Rule {
  std::size_t inputs;
  Int cycle;
  std::vector<Int> depths;
  Table later, ports;
  Int event = 0;
  Process(const std::vector<Int>& n, const Table* t)
      : inputs(static_cast<std::size_t>(n.at(0))),
        cycle(n.at(1)),
        depths(some(n, 2, static_cast<Int>(n.size()))),
        later(t[0]),
        ports(t[1]) {}
  void run() override {
    for (;;) {
      const Int mask = ports.data[event];
      Int next = cycle + later.data[event];
      for (std::size_t port = 0; port < reads.size(); ++port) {
        if (!(mask >> port & 1)) continue;
        Int beat = writes[port]->count;
        if (port < inputs) {
          if (lacks(reads[port], beat + 1)) return;
          next = std::max(next, (*reads[port])[beat]);
        } else if ((beat -= depths[port - inputs]) >= 0) {
          if (lacks(reads[port], beat + 1)) return;
          next = std::max(next, (*reads[port])[beat] + 1);
        }
      }
      cycle = next;
      if (++event == ports.size) event = 0;
      for (std::size_t port = 0; port < writes.size(); ++port)
        if (mask >> port & 1) writes[port]->push(port < inputs ? cycle : cycle + 1);
    }
  }
};

std::unique_ptr<Rule> make(Int code, const std::vector<Int>& n, const Table* t) {
  switch (code) {
    case 0: return std::make_unique<Source>(n);
    case 1: return std::make_unique<Sink>(n);
    case 2: return std::make_unique<Take>(n);
    case 3: return std::make_unique<Offer>(n);
    case 4: return std::make_unique<Enter>(n);
    case 5: return std::make_unique<Exit>();
    case 6: return std::make_unique<Interleave>(n);
    case 7: return std::make_unique<Select>(n);
    case 8: return std::make_unique<Split>(n);
    case 9: return std::make_unique<Parts>(n);
    case 10: return std::make_unique<Gather>(n);
    case 11: return std::make_unique<Pour>(n);
    case 12: return std::make_unique<Draw>(n);
    case 13: return std::make_unique<Load>(n, t);
    case 14: return std::make_unique<Walk>(n, t);
    case 15: return std::make_unique<Repeat>(n);
    case 16: return std::make_unique<Process>(n, t);
    default: return nullptr;
  }
}

struct Engine {
  Rules ready;
  std::vector<Track> tracks;
  std::vector<std::unique_ptr<Rule>> rules;
};

}  // namespace

// -- C ABI: what engine.py calls --------------------------------------------------------------------------------------

extern "C" {

// `tracks` pairs of capacity and entries a frame (0: not logged). A rule in `program` is its code, then its tracks read,
// tracks written and numbers, each list after its length, and how many of `tables` it takes. Tables stay the caller's.
void* timed_streams_new(Int tracks, const Int* track, Int rules, const Int* program, const Int* const* tables,
                        const Int* table_sizes) {
  try {
    auto engine = std::make_unique<Engine>();
    engine->tracks.resize(static_cast<std::size_t>(tracks));
    for (Track& one : engine->tracks) {
      one.open(track[0], track[1], &engine->ready);
      track += 2;
    }
    auto list = [&program] {
      Int size = *program++;
      std::vector<Int> read(program, program + size);
      program += size;
      return read;
    };
    for (Int index = 0; index < rules; ++index) {
      Int code = *program++;
      std::vector<Int> reads = list(), writes = list(), numbers = list();
      Int count = *program++;
      std::vector<Table> taken;
      for (Int t = 0; t < count; ++t) taken.push_back({*tables++, *table_sizes++});
      auto rule = make(code, numbers, taken.data());
      if (!rule) return nullptr;
      for (Int read : reads) rule->reads.push_back(&engine->tracks.at(static_cast<std::size_t>(read)));
      for (Int written : writes) rule->writes.push_back(&engine->tracks.at(static_cast<std::size_t>(written)));
      engine->ready.push_back(rule.get());
      engine->rules.push_back(std::move(rule));
    }
    return engine.release();
  } catch (const std::exception&) {
    return nullptr;
  }
}

void timed_streams_delete(void* handle) { delete static_cast<Engine*>(handle); }

// Add an entry to a track that no rule writes, and run until no rule can go on: whether all went well. It does not where a
// rule asks for an entry that its track keeps no longer.
int timed_streams_run(void* handle, Int track, Int entry) {
  auto* engine = static_cast<Engine*>(handle);
  try {
    engine->tracks[static_cast<std::size_t>(track)].push(entry);
    while (!engine->ready.empty()) {
      Rule* rule = engine->ready.back();  // the latest one: what it needs was written just now
      engine->ready.pop_back();
      rule->run();
      rule->awaited->wait(rule);
    }
  } catch (const std::out_of_range&) {
    return 0;
  }
  return 1;
}

Int timed_streams_first(const void* handle, Int track) {
  return static_cast<const Engine*>(handle)->tracks[static_cast<std::size_t>(track)].first;
}

// How many frames a track has; `ends` gets the last entries of the first `room` of them, `shift` how much later the last
// one was than the one before, and `alike` how many in a row were later by that, 0 if it was not by one number.
Int timed_streams_frames(const void* handle, Int track, Int room, Int* ends, Int* shift, Int* alike) {
  const Track& one = static_cast<const Engine*>(handle)->tracks[static_cast<std::size_t>(track)];
  std::copy_n(one.ends.begin(), std::min(room, one.frames()), ends);
  *shift = one.shift;
  *alike = one.alike;
  return one.frames();
}

// What a rule waits for: the track, and how many entries it must have.
void timed_streams_waits(const void* handle, Int rule, Int* track, Int* entries) {
  const auto* engine = static_cast<const Engine*>(handle);
  const Rule& one = *engine->rules[static_cast<std::size_t>(rule)];
  *track = one.awaited - engine->tracks.data();
  *entries = one.entries;
}

// How many entries a track has; `entries` gets the last `room` of them, or all.
Int timed_streams_entries(const void* handle, Int track, Int room, Int* entries) {
  const Track& one = static_cast<const Engine*>(handle)->tracks[static_cast<std::size_t>(track)];
  for (Int index = one.count - std::min(room, one.kept()); index < one.count; ++index) *entries++ = one[index];
  return one.count;
}

}  // extern "C"
