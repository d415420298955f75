// The registers of mac_engine that say which pixel it computes, and which step of it.
//
// An address that an iteration uses was set by an earlier one, and what a table says goes into a register first: from
// the tables to the engine there are four, each of which takes from the one before alone and moves on with the pixels.
// So a table may take its cycles even where a pixel is done in one, and the logic that decides has no table in it.
#ifndef GAN2HLS_MAC_WALK_H
#define GAN2HLS_MAC_WALK_H

#include "integers.h"
#include "mac_tables.h"
#include "pragmas.h"

namespace gan2hls {

/// The output pixels of a frame in raster order, again and again.
template <class Config, class Walk>
struct pixel_queue {
    using rows = row_axis<Config>;
    using columns = column_axis<Config>;
    using frame_index = index_t<mac_shape<Config>::frame_words + 1>;
    static constexpr int pixels = rows::outputs * columns::outputs;
    static constexpr axis_table<rows::outputs> row_table = make_axis_table<Config, Walk, rows>();
    static constexpr axis_table<columns::outputs> column_table = make_axis_table<Config, Walk, columns>();

    mac_pixel<Config> current = pixel_at(0), next = pixel_at(1), later = pixel_at(2);
    frame_index wanted = words_wanted(current, next);  // words of the frame that are read while `current` is computed
    axis_entry<Config, rows> row = read_entry<Config, rows>(row_table, row_at(3));  // of the pixel after `later`
    axis_entry<Config, columns> column = read_entry<Config, columns>(column_table, column_at(3));
    bool last = 3 % pixels == pixels - 1;  // it is the last of the frame
    index_t<rows::outputs> oy = row_at(4);  // of the pixel after that
    index_t<columns::outputs> ox = column_at(4);

    static constexpr int row_at(int index) { return index % pixels / columns::outputs; }
    static constexpr int column_at(int index) { return index % pixels % columns::outputs; }

    static mac_pixel<Config> pixel_at(int index) {
        GAN2HLS_INLINE
        return make_pixel<Config>(read_entry<Config, rows>(row_table, row_at(index)),
                                  read_entry<Config, columns>(column_table, column_at(index)),
                                  index % pixels == pixels - 1);
    }

    /// The words that a pixel or the one after it needs, as far as the ring has room for them.
    static frame_index words_wanted(const mac_pixel<Config>& pixel, const mac_pixel<Config>& after) {
        GAN2HLS_INLINE
        frame_index words = after.needs;
        if (pixel.last) words = mac_shape<Config>::frame_words;
        if (words < pixel.needs) words = pixel.needs;
        if (words > pixel.room) words = pixel.room;
        return words;
    }

    void advance() {
        GAN2HLS_INLINE
        wanted = words_wanted(next, later);
        current = next;
        next = later;
        later = make_pixel<Config>(row, column, last);
        row = read_entry<Config, rows>(row_table, oy);
        column = read_entry<Config, columns>(column_table, ox);
        const bool last_row = oy == rows::outputs - 1, last_column = ox == columns::outputs - 1;
        last = last_row && last_column;
        if (last_column) {
            ox = 0;
            oy = last_row ? index_t<rows::outputs>(0) : index_t<rows::outputs>(oy + 1);
        } else {
            ox = index_t<columns::outputs>(ox + 1);
        }
    }
};

/// Where the next step is in the walk over the taps of a pixel, for all groups of output channels.
///
/// Invariant: `weight` and `word` address the first tap of the step's block, `row_weight` and `row_word` that of the
/// first block in its row of blocks; `rows` * `columns` taps are left to walk.
template <class Config, class Walk>
struct mac_walk {
    using shape = mac_shape<Config>;
    using weight_index = index_t<shape::out_groups * shape::group_weights>;
    using word_index = index_t<shape::main_ring>;
    static constexpr mac_pass main_pass = make_mac_pass<Config, Walk>(0), rest_pass = make_mac_pass<Config, Walk>(1);

    index_t<shape::out_groups> group = 0;  // output channels [group * Pe, group * Pe + Pe)
    weight_index group_weight = 0;         // their first weight word, and that of the next group
    weight_index next_group_weight = shape::out_groups > 1 ? shape::group_weights : 0;
    bool in_rest = false;             // the remainder pass
    index_t<shape::full> channels = 0;  // in the main pass, input channels [channels * Simd, channels * Simd + Simd)
    bool has_taps;
    index_t<Config::KernelHeight + 1> rows;  // taps from the first of the block on
    index_t<Config::KernelWidth + 1> columns, pixel_columns;
    weight_index weight, row_weight;
    word_index word, row_word;

    explicit mac_walk(const mac_pixel<Config>& pixel) {
        GAN2HLS_INLINE
        start(pixel, 0, false);
    }

    /// Begin a pass over a pixel's taps.
    void start(const mac_pixel<Config>& pixel, const weight_index& first_weight, bool rest) {
        GAN2HLS_INLINE
        in_rest = rest;
        channels = 0;
        has_taps = pixel.has_taps;
        rows = pixel.rows;
        columns = pixel_columns = pixel.columns;
        weight = row_weight = weight_index(first_weight + (rest ? pixel.rest_weight : pixel.weight));
        word = row_word = rest ? word_index(pixel.rest_word) : pixel.word;
    }

    bool last_channels() const { return in_rest || channels == shape::full - 1; }
    bool last_column() const { return columns <= (in_rest ? rest_pass.columns : main_pass.columns); }
    bool last_row() const { return rows <= (in_rest ? rest_pass.rows : main_pass.rows); }
    bool last_block() const { return !has_taps || (last_channels() && last_column() && last_row()); }
    bool last_step() const { return last_block() && (shape::rest == 0 || in_rest || !has_taps); }
    bool last_group() const { return group == shape::out_groups - 1; }

    /// The word address `words` further on in the ring of the pass.
    word_index further(const word_index& from, int words) const {
        GAN2HLS_INLINE
        const index_t<2 * shape::main_ring> place = from + words;
        const int ring_words = in_rest ? rest_pass.ring_words : main_pass.ring_words;
        if (place >= ring_words) return word_index(place - ring_words);
        return word_index(place);
    }

    /// Go on after a step; `current` is its pixel and `next` the one after.
    void advance(const mac_pixel<Config>& current, const mac_pixel<Config>& next) {
        GAN2HLS_INLINE
        const bool done = last_step();
        if (last_block()) {
            const bool pixel_done = done && last_group();
            start(pixel_done ? next : current, done ? next_group_weight : group_weight, !done);
            if (done) {
                group = next_index<shape::out_groups>(group);
                group_weight = next_group_weight;
                if (last_group()) {
                    next_group_weight = 0;
                } else {
                    next_group_weight = weight_index(next_group_weight + shape::group_weights);
                }
            }
        } else if (!last_channels()) {
            ++channels;
            ++weight;
            ++word;  // a pixel's words lie together
        } else if (!last_column()) {
            channels = 0;
            columns -= in_rest ? rest_pass.columns : main_pass.columns;
            weight += in_rest ? rest_pass.column_weight : main_pass.column_weight;
            word = further(word, in_rest ? rest_pass.column_ring : main_pass.column_ring);
        } else {
            channels = 0;
            rows -= in_rest ? rest_pass.rows : main_pass.rows;
            columns = pixel_columns;
            row_weight += in_rest ? rest_pass.row_weight : main_pass.row_weight;
            row_word = further(row_word, in_rest ? rest_pass.row_ring : main_pass.row_ring);
            weight = row_weight;
            word = row_word;
        }
    }
};

}  // namespace gan2hls

#endif
