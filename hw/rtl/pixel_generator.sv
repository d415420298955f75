// Walks the output pixels of a convolution in raster order, for ever, and describes each one's window.
//
// Along an axis an output uses a run of consecutive inputs (gan2hls/kernels/walk.py): `count` taps, the first at kernel
// index k and input index i, each next one input further. Both axes are tables made at elaboration; a pixel is
// described by sums of a row entry and a column entry, so no address is ever multiplied. Word addresses count beats of
// Simd channels (InGroups a pixel).
`default_nettype none

module pixel_generator #(
  parameter int unsigned Transposed   = 1,
  parameter int unsigned InHeight     = 2,
  parameter int unsigned InWidth      = 2,
  parameter int unsigned OutHeight    = 4,
  parameter int unsigned OutWidth     = 4,
  parameter int unsigned KernelHeight = 4,
  parameter int unsigned KernelWidth  = 4,
  parameter int unsigned StrideHeight = 2,
  parameter int unsigned StrideWidth  = 2,
  parameter int unsigned PadHeight    = 1,
  parameter int unsigned PadWidth     = 1,
  parameter int unsigned InGroups     = 1,
  parameter int unsigned RingWords    = 8,
  localparam int unsigned FrameWords = InHeight * InWidth * InGroups,
  localparam int unsigned RowsBits   = $clog2(KernelHeight + 1),
  localparam int unsigned ColsBits   = $clog2(KernelWidth + 1),
  localparam int unsigned TapBits    = $clog2(KernelHeight * KernelWidth * InGroups + 1),
  localparam int unsigned RingBits   = $clog2(RingWords + 1),
  localparam int unsigned WordBits   = $clog2(FrameWords + 1)
) (
  input  logic                clk,
  input  logic                rst_n,
  output logic                valid,
  input  logic                ready,
  output logic [RowsBits-1:0] rows,       // taps along y, 0 if the pixel has none at all
  output logic [ColsBits-1:0] cols,       // taps along x, 0 if the pixel has none at all
  output logic [TapBits-1:0]  tap_base,   // first tap's offset in the weights of an output group, in words
  output logic [RingBits-1:0] ring_base,  // first input's address in the ring
  output logic [WordBits-1:0] need,       // words of this frame that must have arrived
  output logic [WordBits-1:0] frees,      // words that nobody needs any more once this pixel is done
  output logic                last        // last pixel of the frame
);
  localparam int unsigned RowWords = InWidth * InGroups;

  // Runs of taps; arguments are those of one axis. Positions before the image are negative.
  function automatic int first_input(input int o, input int kernel, input int stride, input int pad);
    int position;
    if (Transposed != 0) begin
      position    = o + pad - (kernel - 1);
      first_input = (position <= 0) ? 0 : (position + stride - 1) / stride;
    end else begin
      position    = o * stride - pad;
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
    first_kernel = first_input(o, kernel, stride, pad);
    first_kernel = (Transposed != 0) ? o + pad - first_kernel * stride : first_kernel - (o * stride - pad);
  endfunction

  // First input that an output needs, `in_size` if none.
  function automatic int start_of(input int o, input int in_size, input int kernel, input int stride, input int pad);
    start_of = (tap_count(o, in_size, kernel, stride, pad) > 0) ? first_input(o, kernel, stride, pad) : in_size;
  endfunction

  // Inputs of a row that its columns free before the last column; column 0 counts from input 0.
  localparam int unsigned FreedInRow =
      (OutWidth == 1) ? 0 : start_of(OutWidth - 1, InWidth, KernelWidth, StrideWidth, PadWidth);
  localparam int unsigned LastRowStart = start_of(OutHeight - 1, InHeight, KernelHeight, StrideHeight, PadHeight);

  localparam int unsigned ColumnWordBits = $clog2(RowWords + 1);

  // Entries of the tables. Functions make them as concatenations, in the order of the fields, and tables are plain
  // vectors: yosys loses what a constant function assigns to a field, and reads one bit of an array's structure.
  typedef struct packed {
    logic [ColsBits-1:0]       count;  // taps
    logic [TapBits-1:0]        tap;    // first tap's offset
    logic [RingBits-1:0]       base;   // first input's offset in the ring
    logic [ColumnWordBits-1:0] need;   // words needed in a row
    logic [ColumnWordBits-1:0] frees;  // words freed when the row leaves
  } column_t;

  typedef struct packed {
    logic [RowsBits-1:0] count;   // taps
    logic [TapBits-1:0]  tap;     // first tap's offset
    logic [WordBits-1:0] need;    // words needed up to the last tap's row
    logic                leaves;  // the row's first input row leaves with it
    logic [WordBits-1:0] frees;   // what the row's last column frees
  } row_t;

  localparam int unsigned ColumnBits = ColsBits + TapBits + RingBits + 2 * ColumnWordBits;
  localparam int unsigned RowBits    = RowsBits + TapBits + WordBits + 1 + WordBits;

  function automatic logic [OutWidth*ColumnBits-1:0] make_columns();
    int later, next, count;
    later = InWidth;  // first input that this column or a later one needs
    for (int o = OutWidth - 1; o >= 0; o--) begin
      next  = later;
      count = tap_count(o, InWidth, KernelWidth, StrideWidth, PadWidth);
      if (count > 0) later = first_input(o, KernelWidth, StrideWidth, PadWidth);
      make_columns[o*ColumnBits +: ColumnBits] = {
        ColsBits'(count),
        TapBits'((count > 0) ? first_kernel(o, KernelWidth, StrideWidth, PadWidth) * InGroups : 0),
        RingBits'((count > 0) ? (later * InGroups) % RingWords : 0),
        ColumnWordBits'((count > 0) ? (later + count) * InGroups : 0),
        ColumnWordBits'((next - ((o == 0) ? 0 : later)) * InGroups)
      };
    end
  endfunction

  function automatic logic [OutHeight*RowBits-1:0] make_rows();
    int later, next, count, left;
    later = InHeight;  // first input that this row or a later one needs
    for (int o = OutHeight - 1; o >= 0; o--) begin
      next  = later;
      count = tap_count(o, InHeight, KernelHeight, StrideHeight, PadHeight);
      if (count > 0) later = first_input(o, KernelHeight, StrideHeight, PadHeight);
      left = next - ((o == 0) ? 0 : later);  // input rows that leave with this row
      make_rows[o*RowBits +: RowBits] = {
        RowsBits'(count),
        TapBits'((count > 0) ? first_kernel(o, KernelHeight, StrideHeight, PadHeight) * KernelWidth * InGroups : 0),
        WordBits'((count > 0) ? (later + count - 1) * RowWords : 0),
        1'(left > 0),
        WordBits'((left > 0) ? (left * InWidth - FreedInRow) * InGroups : 0)
      };
    end
  endfunction

  // How far a row begins behind the one before it in the ring; row 0 follows the last one of the frame before.
  function automatic logic [OutHeight*RingBits-1:0] make_advances();
    int later, next;
    later = InHeight;
    for (int o = OutHeight - 1; o >= 0; o--) begin
      next = later;
      if (tap_count(o, InHeight, KernelHeight, StrideHeight, PadHeight) > 0)
        later = first_input(o, KernelHeight, StrideHeight, PadHeight);
      if (o + 1 < OutHeight)
        make_advances[(o+1)*RingBits +: RingBits] = RingBits'(((next - later) * RowWords) % RingWords);
    end
    make_advances[0 +: RingBits] = RingBits'(((InHeight - LastRowStart + later) * RowWords) % RingWords);
  endfunction

  localparam logic [OutWidth*ColumnBits-1:0] Columns  = make_columns();
  localparam logic [OutHeight*RowBits-1:0]   Rows     = make_rows();
  localparam logic [OutHeight*RingBits-1:0]  Advances = make_advances();
  // Adding row 0's advance to this gives row 0's address in the first frame.
  localparam int unsigned Start = (RingWords - ((InHeight - LastRowStart) * RowWords) % RingWords) % RingWords;

  localparam int unsigned YBits = (OutHeight > 1) ? $clog2(OutHeight) : 1;
  localparam int unsigned XBits = (OutWidth > 1) ? $clog2(OutWidth) : 1;

  // Stage 0: raster counters. Stage 1: table entries. Stage 2: the row's ring address. Stage 3: sums. As there is
  // always another pixel, all stages move together.
  logic v1_q, v2_q, v3_q, move;
  assign move = !v3_q || ready;

  logic [YBits-1:0] y_q;
  logic [XBits-1:0] x_q;
  logic             x_last, y_last;
  assign x_last = int'(x_q) == OutWidth - 1;
  assign y_last = int'(y_q) == OutHeight - 1;

  column_t             column1_q, column2_q;
  row_t                row1_q, row2_q;
  logic [RingBits-1:0] advance1_q, ring_row_q;
  logic                first1_q, last1_q, last2_q, end1_q, end2_q;

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
      column1_q  <= Columns[int'(x_q)*ColumnBits +: ColumnBits];
      row1_q     <= Rows[int'(y_q)*RowBits +: RowBits];
      advance1_q <= Advances[int'(y_q)*RingBits +: RingBits];
      first1_q   <= x_q == '0;
      end1_q     <= x_last;
      last1_q    <= x_last && y_last;
    end
  end

  function automatic logic [RingBits-1:0] ring_add(input logic [RingBits-1:0] a, input logic [RingBits-1:0] b);
    logic [RingBits:0] sum, wrapped;
    sum      = {1'b0, a} + {1'b0, b};
    wrapped  = sum - (RingBits + 1)'(RingWords);
    ring_add = wrapped[RingBits] ? sum[RingBits-1:0] : wrapped[RingBits-1:0];
  endfunction

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      v2_q       <= 1'b0;
      v3_q       <= 1'b0;
      ring_row_q <= RingBits'(Start);
    end else if (move) begin
      v2_q <= v1_q;
      v3_q <= v2_q;
      if (v1_q && first1_q) ring_row_q <= ring_add(ring_row_q, advance1_q);
    end
  end

  always_ff @(posedge clk) begin
    if (move) begin
      column2_q <= column1_q;
      row2_q    <= row1_q;
      end2_q    <= end1_q;
      last2_q   <= last1_q;
    end
  end

  logic exists;
  assign exists = row2_q.count != '0 && column2_q.count != '0;

  always_ff @(posedge clk) begin
    if (move) begin
      rows      <= exists ? row2_q.count : '0;
      cols      <= exists ? column2_q.count : '0;
      tap_base  <= row2_q.tap + column2_q.tap;
      ring_base <= ring_add(ring_row_q, column2_q.base);
      // No output before its frame has begun.
      need      <= exists ? row2_q.need + WordBits'(column2_q.need) : WordBits'(1);
      frees     <= end2_q ? row2_q.frees : (row2_q.leaves ? WordBits'(column2_q.frees) : '0);
      last      <= last2_q;
    end
  end

  assign valid = v3_q;

endmodule

`default_nettype wire
