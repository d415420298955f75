// hls::stream for C simulation, with the depth that the hardware has.
//
// Stands in for the vendor's header of the same name (put this folder first on the include path). The vendor's grows
// without bound, so that an overflow or a deadlock is seen in hardware only; this one suspends the process, see csim.h.
// A stream made with a capacity holds so many elements; without, it is unbounded and meant for test benches.
#ifndef GAN2HLS_SIM_HLS_STREAM_H
#define GAN2HLS_SIM_HLS_STREAM_H

#include <cstddef>
#include <string>
#include <vector>

#include "csim.h"

namespace hls {

template <class T>
class stream : private csim::stream_base {
public:
    explicit stream(const std::string& name = "stream", std::size_t capacity = 0)
        : csim::stream_base{name, capacity}, slots_(capacity ? capacity : 16) {
        csim::scheduler::get().enter(*this);
    }
    ~stream() { csim::scheduler::get().leave(*this); }
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    T read() {
        while (count == 0) csim::scheduler::get().wait(*this, true);
#ifdef GAN2HLS_TRACE
        csim::scheduler::get().moved(*this, true);
#endif
        return take();
    }
    void read(T& value) { value = read(); }

    void write(const T& value) {
        while (full()) csim::scheduler::get().wait(*this, false);
#ifdef GAN2HLS_TRACE
        csim::scheduler::get().moved(*this, false);
#endif
        put(value);
    }

    bool read_nb(T& value) {
        if (count == 0) return false;
        value = take();
        return true;
    }

    bool write_nb(const T& value) {
        if (full()) return false;
        put(value);
        return true;
    }

    void operator>>(T& value) { value = read(); }
    void operator<<(const T& value) { write(value); }

    bool empty() const { return count == 0; }
    bool full() const { return capacity != 0 && count == capacity; }
    std::size_t size() const { return count; }

private:
    std::vector<T> slots_;  // a ring: count elements from first_ on
    std::size_t first_ = 0;

    T take() {
        const T value = slots_[first_];
        first_ = first_ + 1 == slots_.size() ? 0 : first_ + 1;
        --count;
        return value;
    }

    void put(const T& value) {
        if (count == slots_.size()) grow();
        const std::size_t place = first_ + count;
        slots_[place < slots_.size() ? place : place - slots_.size()] = value;
        ++count;
    }

    void grow() {
        std::vector<T> larger(2 * slots_.size());
        for (std::size_t i = 0; i < count; ++i) larger[i] = slots_[(first_ + i) % slots_.size()];
        slots_.swap(larger);
        first_ = 0;
    }
};

}  // namespace hls

#endif
