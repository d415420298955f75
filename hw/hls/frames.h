// Frames on the host's side of the AXI4-Streams: what test benches and the bridge use. Not for synthesis.
//
// A frame is its elements in NHWC order. Lanes that carry no channel are sent with all bits set, so that a kernel that
// took notice of them would be found out.
#ifndef GAN2HLS_FRAMES_H
#define GAN2HLS_FRAMES_H

#include <cstdint>
#include <stdexcept>
#include <string>

#include "axis.h"

namespace gan2hls {

/// Throws std::out_of_range if an element does not fit the stream's element type.
template <class Word, class Stream>
void write_frame(Stream& stream, const std::int64_t* elements, int pixels, int channels) {
    constexpr int size = lane_count<Word>;
    for (int pixel = 0; pixel < pixels; ++pixel)
        for (int first = 0; first < channels; first += size) {
            Word word;
            for (int lane = 0; lane < size; ++lane) {
                const int channel = first + lane;
                const std::int64_t element = channel < channels ? elements[long(pixel) * channels + channel] : -1;
                set_lane(word, lane, element);
                if (channel < channels && get_lane<64>(word, lane) != element)
                    throw std::out_of_range("input element " + std::to_string(long(pixel) * channels + channel) +
                                            " is " + std::to_string(element) + ", which " +
                                            std::to_string(lane_bits<Word>) + " bits of its sign do not hold");
            }
            stream.write(pack_beat(word, pixel == pixels - 1 && first + size >= channels));
        }
}

/// Throws std::runtime_error if TLAST is not on the last beat, and only there.
template <class Word, class Stream>
void read_frame(Stream& stream, std::int64_t* elements, int pixels, int channels) {
    constexpr int size = lane_count<Word>;
    for (int pixel = 0; pixel < pixels; ++pixel)
        for (int first = 0; first < channels; first += size) {
            const axis_beat<Word> beat = stream.read();
            if ((beat.last != 0) != (pixel == pixels - 1 && first + size >= channels))
                throw std::runtime_error("TLAST is wrong at output pixel " + std::to_string(pixel));
            const Word word = unpack_beat<Word>(beat);
            for (int lane = 0; lane < size && first + lane < channels; ++lane)
                elements[long(pixel) * channels + first + lane] = get_lane<64>(word, lane);
        }
}

}  // namespace gan2hls

#endif
