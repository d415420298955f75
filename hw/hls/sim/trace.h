// What each iteration of each process reads and writes in C simulation: with -DGAN2HLS_TRACE.
//
// A pipelined loop says that an iteration begins (GAN2HLS_PIPELINE); iterations are counted from 0 in each call of the
// process, so once a frame. Each word that moves is a record: the process, the stream, whether it was read, and the
// iteration. A process that ends leaves a record without a stream, with how many iterations it has made. Records are
// those of the calling thread, in the order in which C simulation made them.
#ifndef GAN2HLS_TRACE_H
#define GAN2HLS_TRACE_H

#include <cstdint>
#include <string>
#include <vector>

namespace csim {

struct trace_record {
    std::string process, stream;
    bool read;
    std::int64_t iteration;
};

inline std::vector<trace_record>& trace() {
    static thread_local std::vector<trace_record> records;
    return records;
}

}  // namespace csim

/// Forget all records.
extern "C" [[gnu::used]] inline void gan2hls_trace_clear() { csim::trace().clear(); }

/// Record `index` as "process stream read iteration", its words apart by spaces and the stream - where there is none;
/// null after the last. It holds until the next call in this thread.
extern "C" [[gnu::used]] inline const char* gan2hls_trace(std::int64_t index) {
    static thread_local std::string text;
    const std::vector<csim::trace_record>& records = csim::trace();
    if (index < 0 || std::size_t(index) >= records.size()) return nullptr;
    const csim::trace_record& record = records[std::size_t(index)];
    text = record.process + " " + (record.stream.empty() ? "-" : record.stream) + (record.read ? " 1 " : " 0 ") +
           std::to_string(record.iteration);
    return text.c_str();
}

#endif
