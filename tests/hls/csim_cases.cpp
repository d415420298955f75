// Contrived dataflow regions for test_csim.py. Each function returns 0, or 1 with the report in `message`.
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "lanes.h"
#include "lookup.h"
#include "process.h"

template <class Body>
static int guarded(char* message, int size, const Body& body) {
    try {
        body();
        return 0;
    } catch (const std::exception& error) {
        std::snprintf(message, size, "%s", error.what());
        return 1;
    }
}

static void count_up(hls::stream<int>& out, int first, int count) {
    for (int i = 0; i < count; ++i) out.write(first + i);
}

static void add_up(hls::stream<int>& in, int count, long& sum) {
    for (int i = 0; i < count; ++i) sum = 3 * sum % 1000003 + in.read();
}

// All of one branch comes before the other, but the join takes turns: the first branch must hold all but one element.
template <int Depth>
static void fork_join() {
    hls::stream<int> left("left", Depth);
    hls::stream<int> right("right", 2);
    GAN2HLS_PROCESS(fork, (count_up(left, 0, 8), count_up(right, 100, 8)));
    GAN2HLS_PROCESS(join, for (int i = 0; i < 8; ++i) {
        if (left.read() + 100 != right.read()) throw std::logic_error("wrong order");
    });
    GAN2HLS_RUN();
}

struct lookup_config {
    static constexpr int Beats = 5, Lanes = 1, InBits = 2, InSigned = 0, OutBits = 2, OutSigned = 0;
};
using word = gan2hls::lanes<ap_uint<2>, 1>;

extern "C" int shallow(char* message, int size) {
    return guarded(message, size, [] { fork_join<6>(); });
}

extern "C" int deep_enough(char* message, int size) {
    return guarded(message, size, [] { fork_join<7>(); });
}

extern "C" int starved(char* message, int size) {
    return guarded(message, size, [] {
        static const unsigned char table[4][1] = {{3}, {2}, {1}, {0}};
        hls::stream<word> in("in", 2), out("out", 2);
        GAN2HLS_PROCESS(source, for (int i = 0; i < 4; ++i) in.write(word{{ap_uint<2>(i)}}));
        GAN2HLS_PROCESS(look, gan2hls::lookup<lookup_config>(in, out, table));
        GAN2HLS_PROCESS(sink, for (int i = 0; i < 5; ++i) out.read());
        GAN2HLS_RUN();
    });
}

extern "C" int leftover(char* message, int size) {
    return guarded(message, size, [] {
        long sum = 0;
        hls::stream<int> stream("stream", 4);
        GAN2HLS_PROCESS(source, count_up(stream, 0, 7));
        GAN2HLS_PROCESS(sink, add_up(stream, 4, sum));
        GAN2HLS_RUN();
    });
}

extern "C" int read_outside(char* message, int size) {
    return guarded(message, size, [] {
        hls::stream<int> stream("bench");
        stream.read();
    });
}

extern "C" int write_outside(char* message, int size) {
    return guarded(message, size, [] {
        hls::stream<int> stream("bench", 2);
        count_up(stream, 0, 3);
    });
}

extern "C" int throwing(char* message, int size) {
    return guarded(message, size, [] {
        hls::stream<int> stream("stream", 2);
        GAN2HLS_PROCESS(source, count_up(stream, 0, 9));
        GAN2HLS_PROCESS(sink, {
            stream.read();
            throw std::runtime_error("thrown in a process");
        });
        GAN2HLS_RUN();
    });
}

// 20 processes in a row, streams of one element: the order survives a quarter of a million suspensions.
extern "C" int long_chain(char* message, int size) {
    return guarded(message, size, [] {
        constexpr int stages = 20, count = 5000;
        struct link : hls::stream<int> {
            link() : hls::stream<int>("stream", 1) {}
        };
        link links[stages + 1];
        long sum = 0, expected = 0;
        GAN2HLS_PROCESS(source, count_up(links[0], 7, count));
        for (int stage = 0; stage < stages; ++stage) {
            csim::scheduler::get().add("stage", [&links, stage] {
                for (int i = 0; i < count; ++i) links[stage + 1].write(links[stage].read() + 1);
            });
        }
        GAN2HLS_PROCESS(sink, add_up(links[stages], count, sum));
        GAN2HLS_RUN();
        for (int i = 0; i < count; ++i) expected = 3 * expected % 1000003 + 7 + i + stages;
        if (sum != expected) throw std::logic_error("wrong sum");
    });
}

// A test bench's stream has no bound and keeps order while it grows.
extern "C" int unbounded(char* message, int size) {
    return guarded(message, size, [] {
        hls::stream<int> stream("bench");
        int next = 0;
        for (int i = 0; i < 1000; ++i) {
            stream.write(i);
            if (i % 3 == 0 && stream.read() != next++) throw std::logic_error("wrong order");
        }
        while (!stream.empty())
            if (stream.read() != next++) throw std::logic_error("wrong order");
        if (next != 1000) throw std::logic_error("lost elements");
    });
}
