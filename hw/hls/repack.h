// The machines under reshape and width_converter: the same elements in the same order, under another number of channels
// a pixel and of lanes a word.
//
// Input : pixels of InChannels elements, ceil(InChannels / InLanes) words each; the lanes after a pixel's last element
//         are dropped. Output: pixels of OutChannels elements, ceil(OutChannels / OutLanes) words each.
// In every iteration a word is taken in if the elements at hand do not fill the next output word, and an output word is
// written if they then do. The elements at hand run out wherever both pixels end, so the schedule repeats from there,
// without a bubble. Iterations of a frame: the words of the side that has more, in a gearbox up to a third more.
//
// Where each input word is some whole output words, a serializer moves them down one after the other; where each output
// word is some whole input words, a deserializer keeps them; a gearbox does the rest. All three follow that schedule.
#ifndef GAN2HLS_REPACK_H
#define GAN2HLS_REPACK_H

#include <type_traits>

#include "integers.h"
#include "lanes.h"

namespace gan2hls {

/// Elements of the word that starts `done` elements after the start of a pixel.
constexpr int elements_in_word(int done, int channels, int lanes) { return min_of(lanes, channels - done); }

template <int InChannels, int OutChannels>
constexpr long repack_period = long(InChannels) / greatest_common_divisor(InChannels, OutChannels) * OutChannels;

/// Iterations for one period, by running the schedule on counts alone.
template <int InChannels, int OutChannels, int InLanes, int OutLanes>
constexpr long gearbox_cycles() {
    long cycles = 0;
    int held = 0, in_done = 0, out_done = 0;
    for (long emitted = 0; emitted < repack_period<InChannels, OutChannels>; ++cycles) {
        const int want = elements_in_word(out_done, OutChannels, OutLanes);
        if (held < want) {
            const int come = elements_in_word(in_done, InChannels, InLanes);
            held += come;
            in_done = in_done + come == InChannels ? 0 : in_done + come;
        }
        if (held >= want) {
            held -= want;
            emitted += want;
            out_done = out_done + want == OutChannels ? 0 : out_done + want;
        }
    }
    return cycles;
}

/// The words of a pixel.
template <int Channels, int Lanes>
struct pixel_words {
    static constexpr int count = ceil_div(Channels, Lanes);
    static constexpr int last = Channels - (count - 1) * Lanes;  // elements of the last one
};

/// Whether each word of `Wide` lanes holds whole words of `Narrow` lanes, the last ones of a pixel included.
template <int WideChannels, int NarrowChannels, int Wide, int Narrow>
constexpr bool holds_whole_words =
    Wide % Narrow == 0 &&
    (WideChannels == NarrowChannels || (WideChannels % Narrow == 0 && NarrowChannels % Narrow == 0));

/// Iterations of a frame.
template <int Elements, int InChannels, int OutChannels, int InLanes, int OutLanes>
constexpr long make_repack_trip_count() {
    if constexpr (holds_whole_words<InChannels, OutChannels, InLanes, OutLanes>) {
        return long(Elements / OutChannels) * pixel_words<OutChannels, OutLanes>::count;
    } else if constexpr (holds_whole_words<OutChannels, InChannels, OutLanes, InLanes>) {
        return long(Elements / InChannels) * pixel_words<InChannels, InLanes>::count;
    } else {
        return Elements / repack_period<InChannels, OutChannels> *
               gearbox_cycles<InChannels, OutChannels, InLanes, OutLanes>();
    }
}

template <int Elements, int InChannels, int OutChannels, int InLanes, int OutLanes>
constexpr long repack_trip_count = make_repack_trip_count<Elements, InChannels, OutChannels, InLanes, OutLanes>();

/// Copy Count lanes, from lane `from_first` of `from` on, to those of `to` from `to_first` on.
template <int Count, class To, class From>
void copy_lanes(To& to, int to_first, const From& from, int from_first) {
    GAN2HLS_INLINE
    // wires
    for (int lane = 0; lane < Count; ++lane) {
        GAN2HLS_UNROLL
        to[unsigned(to_first + lane)] = from[unsigned(from_first + lane)];
    }
}

/// Each input word leaves as one to InLanes / OutLanes output words.
template <int TripCount, int Channels, class In, class Out>
void serialize(In& in, Out& out) {
    constexpr int in_lanes = lane_count<word_of<In>>, out_lanes = lane_count<word_of<Out>>;
    constexpr int parts = in_lanes / out_lanes;
    using words = pixel_words<Channels, in_lanes>;
    constexpr int last_parts = ceil_div(words::last, out_lanes);

    lane_of<word_of<In>> rest[in_lanes];  // what is left of the word, the next part at 0
    GAN2HLS_REGISTERS(rest)

    index_t<words::count> word = 0;  // word of the input pixel
    index_t<parts> part = 0;         // part of the word that leaves next

    GAN2HLS_LOOP(serialize_loop)
    for (int iteration = 0; iteration < TripCount; ++iteration) {
        GAN2HLS_PIPELINE
        if (part == 0) {
            const word_of<In> x = in.read();
            copy_lanes<in_lanes>(rest, 0, x, 0);
        }
        word_of<Out> y;
        copy_lanes<out_lanes>(y, 0, rest, 0);
        out.write(y);
        copy_lanes<in_lanes - out_lanes>(rest, 0, rest, out_lanes);

        const bool last_word = word == words::count - 1;
        const bool last_part = part == parts - 1 || (last_word && part == last_parts - 1);
        if (last_part) {
            part = 0;
            word = next_index<words::count>(word);
        } else {
            part = next_index<parts>(part);
        }
    }
}

/// One to OutLanes / InLanes input words leave as one output word, together with the last of them.
template <int TripCount, int Channels, class In, class Out>
void deserialize(In& in, Out& out) {
    constexpr int in_lanes = lane_count<word_of<In>>, out_lanes = lane_count<word_of<Out>>;
    constexpr int parts = out_lanes / in_lanes;
    using words = pixel_words<Channels, out_lanes>;
    constexpr int last_parts = ceil_div(words::last, in_lanes);

    lane_of<word_of<In>> kept[out_lanes];  // the parts that have come
    GAN2HLS_REGISTERS(kept)

    index_t<words::count> word = 0;  // word of the output pixel
    index_t<parts> part = 0;         // part of the word that comes next

    GAN2HLS_LOOP(deserialize_loop)
    for (int iteration = 0; iteration < TripCount; ++iteration) {
        GAN2HLS_PIPELINE
        const word_of<In> x = in.read();
        for (int place = 0; place < parts; ++place) {
            GAN2HLS_UNROLL
            if (part == place) copy_lanes<in_lanes>(kept, place * in_lanes, x, 0);
        }
        const bool last_word = word == words::count - 1;
        const bool last_part = part == parts - 1 || (last_word && part == last_parts - 1);
        if (last_part) {
            word_of<Out> y;
            copy_lanes<out_lanes>(y, 0, kept, 0);
            out.write(y);
            part = 0;
            word = next_index<words::count>(word);
        } else {
            part = next_index<parts>(part);
        }
    }
}

/// Elements at hand, the oldest at 0. A word that comes is moved up behind them, in steps of powers of two; what leaves
/// are the first ones, of which there are at most two numbers.
template <int TripCount, int InChannels, int OutChannels, class In, class Out>
void gearbox(In& in, Out& out) {
    constexpr int in_lanes = lane_count<word_of<In>>, out_lanes = lane_count<word_of<Out>>;
    constexpr int capacity = in_lanes + out_lanes - 1;  // a word comes only while fewer than out_lanes are at hand
    using in_words = pixel_words<InChannels, in_lanes>;
    using out_words = pixel_words<OutChannels, out_lanes>;
    // All numbers of elements that move are multiples of it.
    constexpr int unit = greatest_common_divisor(greatest_common_divisor(in_lanes, in_words::last),
                                                 greatest_common_divisor(out_lanes, out_words::last));
    constexpr int units = ceil_div(out_lanes, unit);  // a word comes behind 0 to units - 1 of them

    using element_type = lane_of<word_of<In>>;
    element_type elements[capacity];
    GAN2HLS_REGISTERS(elements)

    index_t<capacity / unit + 1> held = 0;  // units at hand
    index_t<in_words::count> in_word = 0;   // word of the input pixel
    index_t<out_words::count> out_word = 0;

    GAN2HLS_LOOP(gearbox_loop)
    for (int iteration = 0; iteration < TripCount; ++iteration) {
        GAN2HLS_PIPELINE
        const bool in_last = in_word == in_words::count - 1, out_last = out_word == out_words::count - 1;
        const int want = (out_last ? out_words::last : out_lanes) / unit;
        const bool reads = held < want;
        int present = int(held);
        if (reads) {
            const word_of<In> x = in.read();
            element_type moved[capacity];
            GAN2HLS_REGISTERS(moved)
            copy_lanes<in_lanes>(moved, 0, x, 0);
            for (int place = in_lanes; place < capacity; ++place) {
                GAN2HLS_UNROLL
                moved[place] = x[0];  // no one's: the output takes fewer, or the next word replaces it
            }
            for (int bit = 0; bit < ceil_log2(units); ++bit) {
                GAN2HLS_UNROLL
                const int step = unit << bit;
                const bool moves = (int(held) >> bit) % 2 != 0;
                for (int place = capacity - 1; place >= step; --place) {
                    GAN2HLS_UNROLL
                    if (moves) moved[place] = moved[place - step];
                }
            }
            for (int place = 0; place < capacity; ++place) {
                GAN2HLS_UNROLL
                if (place / unit >= int(held)) elements[place] = moved[place];
            }
            present += (in_last ? in_words::last : in_lanes) / unit;
            in_word = next_index<in_words::count>(in_word);
        }
        const bool writes = present >= want;
        if (writes) {
            word_of<Out> y;
            copy_lanes<out_lanes>(y, 0, elements, 0);
            out.write(y);
            for (int place = 0; place < capacity; ++place) {
                GAN2HLS_UNROLL
                const int full_from = min_of(place + out_lanes, capacity - 1);
                const int last_from = min_of(place + out_words::last, capacity - 1);
                elements[place] = out_last ? elements[last_from] : elements[full_from];
            }
            present -= want;
            out_word = next_index<out_words::count>(out_word);
        }
        held = index_t<capacity / unit + 1>(present);
    }
}

/// A word of the input is a word of the output.
template <int TripCount, class In, class Out>
void pass_words(In& in, Out& out) {
    GAN2HLS_LOOP(pass_loop)
    for (int iteration = 0; iteration < TripCount; ++iteration) {
        GAN2HLS_PIPELINE
        const word_of<In> x = in.read();
        word_of<Out> y;
        copy_lanes<lane_count<word_of<Out>>>(y, 0, x, 0);
        out.write(y);
    }
}

template <int Elements, int InChannels, int OutChannels, class In, class Out>
void repack(In& in, Out& out) {
    GAN2HLS_INLINE
    // the machine is the process
    constexpr int in_lanes = lane_count<word_of<In>>, out_lanes = lane_count<word_of<Out>>;
    static_assert(std::is_same_v<lane_of<word_of<In>>, lane_of<word_of<Out>>>, "elements pass as they are");
    static_assert(Elements % InChannels == 0 && Elements % OutChannels == 0, "a frame is whole pixels on both sides");
    static_assert(Elements % repack_period<InChannels, OutChannels> == 0, "a frame is whole periods");

    constexpr long iterations = repack_trip_count<Elements, InChannels, OutChannels, in_lanes, out_lanes>;
    static_assert(iterations <= 0x7fffffff, "a frame has fewer than 2^31 iterations");
    constexpr int trip_count = int(iterations);
    if constexpr (!holds_whole_words<InChannels, OutChannels, in_lanes, out_lanes> &&
                  !holds_whole_words<OutChannels, InChannels, out_lanes, in_lanes>) {
        gearbox<trip_count, InChannels, OutChannels>(in, out);
    } else if constexpr (in_lanes == out_lanes) {
        pass_words<trip_count>(in, out);
    } else if constexpr (in_lanes > out_lanes) {
        serialize<trip_count, InChannels>(in, out);
    } else {
        deserialize<trip_count, OutChannels>(in, out);
    }
}

}  // namespace gan2hls

#endif
