// Cooperative processes for C simulation with bounded streams.
//
// A dataflow region is a set of processes joined by streams. Here each process is a coroutine on its own stack; a read
// of an empty stream or a write to a full one suspends it, and another process runs. If none can go on, the region
// is deadlocked, exactly as the hardware with these FIFO depths would be, and `run` throws a report that names every
// waiting process and the fill of every stream. g++ on POSIX only; never seen by synthesis.
#ifndef GAN2HLS_CSIM_H
#define GAN2HLS_CSIM_H

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#ifdef GAN2HLS_TRACE
#include "trace.h"
#endif

namespace csim {

/// A dataflow region that could not finish, or finished with data left in a stream; what() is the whole report.
struct dataflow_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What the scheduler has to know of a stream; `capacity` 0 means unbounded (a test bench's stream).
struct stream_base {
    std::string name;
    std::size_t capacity;
    std::size_t count = 0;

    std::string fill() const {
        return name + " " + std::to_string(count) + "/" + (capacity ? std::to_string(capacity) : "unbounded");
    }
};

// A coroutine's saved registers. Hand-written for x86-64, because swapcontext makes a system call at each switch.
#if defined(__x86_64__)
struct context {
    void* stack_pointer = nullptr;
};

// Saves what the System V calling convention lets a callee keep, changes the stack, and restores the same from there.
__attribute__((naked, noinline)) inline void switch_stack(void** /*save: rdi*/, void* /*load: rsi*/) {
    __asm__(
        "pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
        "movq %rsp, (%rdi)\n\tmovq %rsi, %rsp\n\t"
        "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\tret");
}

inline void switch_context(context& from, context& to) { switch_stack(&from.stack_pointer, to.stack_pointer); }

inline void prepare_context(context& fresh, char* stack, std::size_t bytes, void (*entry)()) {
    void** top = reinterpret_cast<void**>(stack + bytes);  // page-aligned, so a multiple of 16
    top[-1] = nullptr;                                     // the entry never returns
    top[-2] = reinterpret_cast<void*>(entry);
    for (int saved = 3; saved <= 8; ++saved) top[-saved] = nullptr;
    fresh.stack_pointer = top - 8;
}
#else
using context = ucontext_t;

inline void switch_context(context& from, context& to) { swapcontext(&from, &to); }

inline void prepare_context(context& fresh, char* stack, std::size_t bytes, void (*entry)()) {
    getcontext(&fresh);
    fresh.uc_stack.ss_sp = stack;
    fresh.uc_stack.ss_size = bytes;
    fresh.uc_link = nullptr;
    makecontext(&fresh, entry, 0);
}
#endif

/// Memory for one coroutine's stack: large, because kernels keep their buffers there, but committed only where touched.
class stack_memory {
public:
    static constexpr std::size_t bytes = std::size_t(32) << 20;
    static constexpr std::size_t guard = 4096;

    stack_memory()
        : base_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
        if (base_ == MAP_FAILED) throw std::bad_alloc();
        mprotect(base_, guard, PROT_NONE);  // an overflow faults here instead of reaching another process's stack
    }
    ~stack_memory() { munmap(base_, bytes); }
    stack_memory(const stack_memory&) = delete;
    stack_memory& operator=(const stack_memory&) = delete;

    char* base() const { return static_cast<char*>(base_); }

private:
    void* base_;
};

struct process {
    std::string name;
    std::function<void()> body;
    context registers{};
    stream_base* waits_for = nullptr;
    bool waits_to_read = false;
    bool finished = false;
    std::int64_t iteration = -1;  // of its loop; counted in traces alone
    std::exception_ptr error;

    bool ready() const {
        if (finished) return false;
        if (waits_for == nullptr) return true;
        return waits_to_read ? waits_for->count > 0 : waits_for->count < waits_for->capacity;
    }
};

/// Runs the processes of one region; one scheduler per thread, so that threads may simulate independently.
class scheduler {
public:
    static scheduler& get() {
        static thread_local scheduler instance;
        return instance;
    }

    void add(const char* name, std::function<void()> body) {
        if (current_ != nullptr) throw std::logic_error(std::string("process ") + name + " started inside a process");
        try {
            auto fresh = std::make_unique<process>();
            fresh->name = name;
            fresh->body = std::move(body);
            if (stacks_.size() <= processes_.size()) stacks_.push_back(std::make_unique<stack_memory>());
            char* const stack = stacks_[processes_.size()]->base();
            prepare_context(fresh->registers, stack, stack_memory::bytes, &scheduler::entry);
            processes_.push_back(std::move(fresh));
        } catch (...) {
            processes_.clear();  // no memory: the region will never run, and must not be part of the next one
            throw;
        }
    }

    /// Run all processes added since the last call until each has returned.
    /// Throws dataflow_error on a deadlock or on leftovers, and whatever a process threw.
    void run() {
        const auto processes = std::move(processes_);
        processes_.clear();
        std::size_t unfinished = processes.size();
        while (unfinished > 0) {
            bool progress = false;
            for (const auto& candidate : processes) {
                if (!candidate->ready()) continue;
                progress = true;
                resume(*candidate);
                if (candidate->error) std::rethrow_exception(candidate->error);
                if (candidate->finished) --unfinished;
            }
            if (!progress) throw dataflow_error(deadlock_report(processes));
        }
        report_leftovers();
    }

    /// Suspend the running process until the stream has an element (to read) or room (to write).
    void wait(stream_base& stream, bool to_read) {
        if (current_ == nullptr)
            throw dataflow_error(std::string(to_read ? "read of empty stream " : "write to full stream ") +
                                 stream.fill() + " outside of any process");
        process& self = *current_;
        self.waits_for = &stream;
        self.waits_to_read = to_read;
        switch_context(self.registers, main_);
        self.waits_for = nullptr;
    }

#ifdef GAN2HLS_TRACE
    /// An iteration of the running process's loop begins; outside of processes there is none to count.
    void iterate() {
        if (current_ != nullptr) ++current_->iteration;
    }

    /// The running process has moved a word.
    void moved(const stream_base& stream, bool read) {
        if (current_ != nullptr) trace().push_back({current_->name, stream.name, read, current_->iteration});
    }
#endif

    void enter(stream_base& stream) { streams_.push_back(&stream); }

    void leave(stream_base& stream) {
        for (std::size_t i = streams_.size(); i-- > 0;)
            if (streams_[i] == &stream) {
                streams_.erase(streams_.begin() + static_cast<std::ptrdiff_t>(i));
                return;
            }
    }

private:
    std::vector<std::unique_ptr<process>> processes_;
    std::vector<std::unique_ptr<stack_memory>> stacks_;  // kept from one run to the next
    std::vector<stream_base*> streams_;                  // all that exist now in this thread, in order of construction
    process* current_ = nullptr;
    context main_{};

    void resume(process& target) {
        current_ = &target;
        switch_context(main_, target.registers);
        current_ = nullptr;
    }

    // First function on a fresh stack. No exception may leave it: there is no frame above.
    static void entry() {
        scheduler& self = get();
        process& me = *self.current_;
        try {
            me.body();
        } catch (...) {
            me.error = std::current_exception();
        }
#ifdef GAN2HLS_TRACE
        trace().push_back({me.name, "", false, me.iteration + 1});
#endif
        me.finished = true;
        switch_context(me.registers, self.main_);
        std::terminate();  // a finished process is never resumed
    }

    std::string fills() const {
        std::string text;
        for (const stream_base* stream : streams_) text += (text.empty() ? "" : ", ") + stream->fill();
        return text;
    }

    std::string deadlock_report(const std::vector<std::unique_ptr<process>>& processes) const {
        std::string text = "deadlock:";
        const char* separator = " ";
        for (const auto& blocked : processes) {
            if (blocked->finished) continue;
            const stream_base& stream = *blocked->waits_for;
            const std::string depth = stream.capacity ? " (depth " + std::to_string(stream.capacity) + ")" : "";
            text += separator + blocked->name +
                    (blocked->waits_to_read ? " waits to read empty " : " waits to write full ") + stream.name + depth;
            separator = "; ";
        }
        return text + "; fill of streams: " + fills();
    }

    void report_leftovers() const {
        std::string text;
        for (const stream_base* stream : streams_)
            if (stream->capacity != 0 && stream->count != 0) text += (text.empty() ? "" : ", ") + stream->fill();
        if (!text.empty()) throw dataflow_error("leftover: all processes have returned, but data remains in " + text);
    }
};

}  // namespace csim

#endif
