// Walks the output pixels of a convolution in raster order, for ever, and describes each one's window.
//
// Along an axis an output uses a run of consecutive inputs (gan2hls/kernels/walk.py): `count` taps, the first at kernel index k and
// input index i, each next one input further. Both axes are tables made at elaboration; a pixel's description is sums of a row
// entry and a column entry, so no address is ever multiplied. Word addresses count beats of Simd channels (InGroups a pixel).
`default_nettype none

module pixel_generator #(
    parameter int Transposed   = 1,
    parameter int InHeight     = 2,
    parameter int InWidth      = 2,
    parameter int OutHeight    = 4,
    parameter int OutWidth     = 4,
    parameter int KernelHeight = 4,
    parameter int KernelWidth  = 4,
    parameter int StrideHeight = 2,
    parameter int StrideWidth  = 2,
    parameter int PadHeight    = 1,
    parameter int PadWidth     = 1,
    parameter int InGroups     = 1,
    parameter int RingWords    = 8,
    localparam int FrameWords = InHeight * InWidth * InGroups,
    localparam int RowsBits   = $clog2(KernelHeight + 1),
    localparam int ColsBits   = $clog2(KernelWidth + 1),
    localparam int TapBits    = $clog2(KernelHeight * KernelWidth * InGroups + 1),
    localparam int RingBits   = $clog2(RingWords + 1),
    localparam int WordBits   = $clog2(FrameWords + 1)
) (
    input  logic                clk,
    input  logic                rst_n,
    output logic                valid,
    input  logic                ready,
    output logic [RowsBits-1:0] rows,        // taps along y, 0 if the pixel has none at all
    output logic [ColsBits-1:0] cols,        // taps along x, 0 if the pixel has none at all
    output logic [ TapBits-1:0] tap_base,    // first tap's offset in the weights of an output group, in words
    output logic [RingBits-1:0] ring_base,   // first input's address in the ring
    output logic [WordBits-1:0] need,        // words of this frame that must have arrived
    output logic [WordBits-1:0] frees,       // words that nobody needs any more once this pixel is done
    output logic                last         // last pixel of the frame
);
  localparam int RowWords = InWidth * InGroups;

  // Runs of taps; arguments are those of one axis.
  function automatic int first_input(input int o, input int kernel, input int stride, input int pad);
    int position;
    if (Transposed != 0) begin
      position = o + pad - (kernel - 1);
      first_input = (position <= 0) ? 0 : (position + stride - 1) / stride;
    end else begin
      position = o * stride - pad;
      first_input = (position < 0) ? 0 : position;
    end
  endfunction

  function automatic int tap_count(input int o, input int in_size, input int kernel, input int stride, input int pad);
    int high;
    high = (Transposed != 0) ? (o + pad) / stride : o * stride - pad + kernel - 1;
    if (high > in_size - 1) high = in_size - 1;
    tap_count = high - first_input(o, kernel, stride, pad) + 1;
    if (tap_count < 0) tap_count = 0;
  endfunction

  function automatic int first_kernel(input int o, input int kernel, input int stride, input int pad);
    int first;
    first = first_input(o, kernel, stride, pad);
    first_kernel = (Transposed != 0) ? o + pad - first * stride : first - (o * stride - pad);
  endfunction

  // A column: taps, first tap's offset, first input's offset in the ring, words needed in a row, words freed when the row leaves.
  localparam int ColOffBits = $clog2(RowWords + 1);
  localparam int ColEntry = ColsBits + TapBits + RingBits + 2 * ColOffBits;

  function automatic logic [OutWidth*ColEntry-1:0] make_columns();
    int later, next, count;
    later = InWidth;  // first input that this column or a later one needs
    for (int o = OutWidth - 1; o >= 0; o--) begin
      next  = later;
      count = tap_count(o, InWidth, KernelWidth, StrideWidth, PadWidth);
      if (count > 0) later = first_input(o, KernelWidth, StrideWidth, PadWidth);
      make_columns[o*ColEntry+:ColEntry] = {
        ColsBits'(count),
        TapBits'((count > 0) ? first_kernel(o, KernelWidth, StrideWidth, PadWidth) * InGroups : 0),
        RingBits'((count > 0) ? (later * InGroups) % RingWords : 0),
        ColOffBits'((count > 0) ? (later + count) * InGroups : 0),
        ColOffBits'((next - ((o == 0) ? 0 : later)) * InGroups)
      };
    end
  endfunction

  // First input that the last output of an axis needs, `in_size` if none.
  function automatic int last_start(input int out_size, input int in_size, input int kernel, input int stride, input int pad);
    last_start = in_size;
    if (tap_count(out_size - 1, in_size, kernel, stride, pad) > 0)
      last_start = first_input(out_size - 1, kernel, stride, pad);
  endfunction

  // Inputs of a row that its columns free before the last column; column 0 counts from input 0.
  localparam int FreedInRow = (OutWidth == 1) ? 0 : last_start(OutWidth, InWidth, KernelWidth, StrideWidth, PadWidth);
  localparam int LastRowStart = last_start(OutHeight, InHeight, KernelHeight, StrideHeight, PadHeight);

  // A row: taps, first tap's offset, ring advance from the row before, words needed up to the last tap's row,
  // whether its first input row leaves with it, and what its last column frees.
  localparam int RowEntry = RowsBits + TapBits + RingBits + WordBits + 1 + WordBits;

  function automatic logic [OutHeight*RowEntry-1:0] make_rows();
    int later, next, count;
    later = InHeight;
    for (int o = OutHeight - 1; o >= 0; o--) begin
      next  = later;
      count = tap_count(o, InHeight, KernelHeight, StrideHeight, PadHeight);
      if (count > 0) later = first_input(o, KernelHeight, StrideHeight, PadHeight);
      make_rows[o*RowEntry+:RowEntry] = {
        RowsBits'(count),
        TapBits'((count > 0) ? first_kernel(o, KernelHeight, StrideHeight, PadHeight) * KernelWidth * InGroups : 0),
        RingBits'(0),
        WordBits'((count > 0) ? (later + count - 1) * RowWords : 0),
        1'(next > ((o == 0) ? 0 : later)),
        WordBits'((next > ((o == 0) ? 0 : later)) ? ((next - ((o == 0) ? 0 : later)) * InWidth - FreedInRow) * InGroups : 0)
      };
      // The advance into the row after this one is known now; into row 0 it comes from the frame before.
      if (o < OutHeight - 1) begin
        make_rows[(o+1)*RowEntry+1+2*WordBits+:RingBits] = RingBits'(((next - later) * RowWords) % RingWords);
      end
    end
    make_rows[1+2*WordBits+:RingBits] = RingBits'(((InHeight - LastRowStart + later) * RowWords) % RingWords);
  endfunction

  localparam logic [OutWidth*ColEntry-1:0] ColTable = make_columns();
  localparam logic [OutHeight*RowEntry-1:0] RowTable = make_rows();
  // Adding row 0's advance to this gives row 0's address in the first frame.
  localparam int Start = (RingWords - ((InHeight - LastRowStart) * RowWords) % RingWords) % RingWords;

  localparam int YBits = (OutHeight > 1) ? $clog2(OutHeight) : 1;
  localparam int XBits = (OutWidth > 1) ? $clog2(OutWidth) : 1;

  // Stage 0: raster counters. Stage 1: table entries. Stage 2: the row's ring address. Stage 3: sums. As there is always another
  // pixel, all stages move together.
  logic v1_q, v2_q, v3_q, move;
  assign move = !v3_q || ready;

  logic [YBits-1:0] y_q;
  logic [XBits-1:0] x_q;
  logic x_last, y_last;
  assign x_last = int'(x_q) == OutWidth - 1;
  assign y_last = int'(y_q) == OutHeight - 1;

  logic [ColEntry-1:0] col1_q, col2_q;
  logic [RowEntry-1:0] row1_q;
  logic [RowEntry-RingBits-1:0] row2_q;
  logic first1_q, last1_q, last2_q, end1_q, end2_q;
  logic [RingBits-1:0] ring_row_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      y_q  <= '0;
      x_q  <= '0;
      v1_q <= 1'b0;
    end else if (move) begin
      v1_q <= 1'b1;
      x_q  <= x_last ? '0 : x_q + XBits'(1);
      if (x_last) y_q <= y_last ? '0 : y_q + YBits'(1);
    end
  end

  always_ff @(posedge clk) begin
    if (move) begin
      col1_q   <= ColTable[int'(x_q)*ColEntry+:ColEntry];
      row1_q   <= RowTable[int'(y_q)*RowEntry+:RowEntry];
      first1_q <= x_q == '0;
      end1_q   <= x_last;
      last1_q  <= x_last && y_last;
    end
  end

  function automatic logic [RingBits-1:0] ring_add(input logic [RingBits-1:0] a, input logic [RingBits-1:0] b);
    logic [RingBits:0] sum, wrapped;
    sum      = {1'b0, a} + {1'b0, b};
    wrapped  = sum - (RingBits + 1)'(RingWords);
    ring_add = wrapped[RingBits] ? sum[RingBits-1:0] : wrapped[RingBits-1:0];
  endfunction

  logic [RingBits-1:0] advance1;
  assign advance1 = row1_q[1+2*WordBits+:RingBits];

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      v2_q <= 1'b0;
      ring_row_q <= RingBits'(Start);
    end else if (move) begin
      v2_q <= v1_q;
      if (v1_q && first1_q) ring_row_q <= ring_add(ring_row_q, advance1);
    end
  end

  always_ff @(posedge clk) begin
    if (move) begin
      col2_q  <= col1_q;
      row2_q  <= {row1_q[RowEntry-1-:RowsBits+TapBits], row1_q[2*WordBits:0]};  // without the advance
      end2_q  <= end1_q;
      last2_q <= last1_q;
    end
  end

  logic [ColsBits-1:0] c_count;
  logic [TapBits-1:0] c_tap, r_tap;
  logic [RingBits-1:0] c_base;
  logic [ColOffBits-1:0] c_need, c_frees;
  logic [RowsBits-1:0] r_count;
  logic [WordBits-1:0] r_need, r_frees;
  logic r_leaves, exists;
  assign {c_count, c_tap, c_base, c_need, c_frees} = col2_q;
  assign {r_count, r_tap, r_need, r_leaves, r_frees} = row2_q;
  assign exists = r_count != '0 && c_count != '0;

  always_ff @(posedge clk) begin
    if (!rst_n) v3_q <= 1'b0;
    else if (move) v3_q <= v2_q;
  end

  always_ff @(posedge clk) begin
    if (move) begin
      rows      <= exists ? r_count : '0;
      cols      <= exists ? c_count : '0;
      tap_base  <= r_tap + c_tap;
      ring_base <= ring_add(ring_row_q, c_base);
      need      <= exists ? r_need + WordBits'(c_need) : WordBits'(1);  // no output before its frame has begun
      frees     <= end2_q ? r_frees : (r_leaves ? WordBits'(c_frees) : '0);
      last      <= last2_q;
    end
  end

  assign valid = v3_q;
endmodule

`default_nettype wire
