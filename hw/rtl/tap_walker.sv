// Walks, for each output pixel and each group of output channels, the existing taps and the groups of input channels.
//
// One step a cycle: the addresses of the products to make, and what they mean for the accumulator. First come the full groups of
// channels of each block of TapRows × TapCols taps, then, if channels remain, these of each block of RestRows × RestCols taps.
// A pixel starts as soon as all pixels of its window have arrived. All addresses are sums with constants.
`default_nettype none

module tap_walker #(
  parameter int Transposed   = 1,
  parameter int KernelHeight = 4,
  parameter int KernelWidth  = 4,
  parameter int StrideHeight = 2,
  parameter int StrideWidth  = 2,
  parameter int InWidth      = 2,
  parameter int FramePixels  = 4,
  parameter int Full         = 1,  // groups of input channels of which all lanes are used
  parameter int HasRest      = 0,
  parameter int TapRows      = 1,
  parameter int TapCols      = 1,
  parameter int RestRows     = 1,
  parameter int RestCols     = 1,
  parameter int OutGroups    = 1,
  parameter int RingPixels   = 8,
  localparam int RowsBits    = $clog2(KernelHeight + 1),
  localparam int ColsBits    = $clog2(KernelWidth + 1),
  localparam int Taps        = KernelHeight * KernelWidth,
  localparam int GroupWords  = Taps * (Full + ((HasRest != 0) ? 1 : 0)),
  localparam int TapBits     = $clog2(Taps + 1),
  localparam int TapWordBits = $clog2(Taps * Full + 1),
  localparam int WeightBits  = $clog2(GroupWords * OutGroups + 1),
  localparam int RingWords   = RingPixels * Full,
  localparam int WordBits    = $clog2(RingWords + 1),
  localparam int SlotBits    = $clog2(RingPixels + 1),
  localparam int PixelBits   = $clog2(FramePixels + 1),
  localparam int CountBits   = $clog2(2 * FramePixels + RingPixels + 1) + 1
) (
  input  logic                   clk,
  input  logic                   rst_n,

  // Output pixels, from pixel_generator: the first tap and its input, counted in pixels and in words of full groups.
  input  logic                   pixel_valid,
  output logic                   pixel_ready,
  input  logic [RowsBits-1:0]    pixel_rows,
  input  logic [ColsBits-1:0]    pixel_cols,
  input  logic [TapBits-1:0]     pixel_tap,
  input  logic [TapWordBits-1:0] pixel_tap_word,
  input  logic [SlotBits-1:0]    pixel_slot,
  input  logic [WordBits-1:0]    pixel_word,
  input  logic [PixelBits-1:0]   pixel_need,   // input pixels of the frame that must have arrived
  input  logic signed [CountBits-1:0] pixel_step,  // how many more the following output pixel needs
  input  logic [PixelBits-1:0]   pixel_frees,
  input  logic                   pixel_last,

  // The ring: an input pixel arrives, and room that a finished pixel makes.
  input  logic                   arrives,
  output logic                   release_valid,
  output logic [PixelBits-1:0]   release_pixels,

  // Steps. The consumer takes one whenever `step_ready`.
  output logic                   step_valid,
  input  logic                   step_ready,
  output logic [WordBits-1:0]    word_addr,
  output logic [SlotBits-1:0]    slot_addr,
  output logic [WeightBits-1:0]  weight_addr,
  output logic                   step_rest,     // the channels that remain
  output logic [TapRows*TapCols-1:0]   full_exists,  // which taps of a block exist; none in a step of the other kind
  output logic [RestRows*RestCols-1:0] rest_exists,
  output logic                   step_first,    // of an output group of a pixel: accumulators start from 0
  output logic                   step_last,     // of an output group of a pixel: accumulators are complete
  output logic                   step_end       // with step_last: last group of the frame
);
  localparam int RowTaps = (Transposed != 0) ? -StrideHeight * KernelWidth : KernelWidth;  // from a row of taps to the next one
  localparam int ColTaps = (Transposed != 0) ? -StrideWidth : 1;
  localparam int ChannelBits = (Full > 1) ? $clog2(Full) : 1;
  localparam int GroupBits = (OutGroups > 1) ? $clog2(OutGroups) : 1;

  // From a block to the one below and to the one beside it, in the ring.
  localparam logic [WordBits-1:0] WordDown = WordBits'((TapRows * InWidth * Full) % RingWords);
  localparam logic [WordBits-1:0] WordOn = WordBits'(((TapCols - 1) * Full + 1) % RingWords);  // from the last group of channels
  localparam logic [SlotBits-1:0] SlotDown = SlotBits'((RestRows * InWidth) % RingPixels);
  localparam logic [SlotBits-1:0] SlotOn = SlotBits'(RestCols % RingPixels);
  // The same in the weights.
  localparam int FullDown = TapRows * RowTaps * Full;
  localparam int FullOn = TapCols * ColTaps * Full - Full + 1;

  function automatic logic [WordBits-1:0] word_add(input logic [WordBits-1:0] a, input logic [WordBits-1:0] b);
    logic [WordBits:0] sum, wrapped;
    sum      = {1'b0, a} + {1'b0, b};
    wrapped  = sum - (WordBits + 1)'(RingWords);
    word_add = wrapped[WordBits] ? sum[WordBits-1:0] : wrapped[WordBits-1:0];
  endfunction

  function automatic logic [SlotBits-1:0] slot_add(input logic [SlotBits-1:0] a, input logic [SlotBits-1:0] b);
    logic [SlotBits:0] sum, wrapped;
    sum      = {1'b0, a} + {1'b0, b};
    wrapped  = sum - (SlotBits + 1)'(RingPixels);
    slot_add = wrapped[SlotBits] ? sum[SlotBits-1:0] : wrapped[SlotBits-1:0];
  endfunction

  // Comparisons of few bits by equality, which take no carry chain.
  function automatic logic rows_within(input logic [RowsBits-1:0] rows, input int most);
    rows_within = 1'b0;
    for (int r = 0; r <= KernelHeight; r++) if (r <= most && int'(rows) == r) rows_within = 1'b1;
  endfunction

  function automatic logic cols_within(input logic [ColsBits-1:0] cols, input int most);
    cols_within = 1'b0;
    for (int c = 0; c <= KernelWidth; c++) if (c <= most && int'(cols) == c) cols_within = 1'b1;
  endfunction

  // The pixel that is being walked. Rows and columns count the taps that are left, the block's own included. What ends with the
  // current step is known a cycle before, in registers of its own.
  logic                   busy_q, empty_q, last_pixel_q, rest_q, first_q;
  logic                   channel_last_q, col_last_q, row_last_q, pass_last_q, group_last_q;
  logic [RowsBits-1:0]    rows_q, row_q;
  logic [ColsBits-1:0]    cols_q, col_q;
  logic [ChannelBits-1:0] channel_q;
  logic [GroupBits-1:0]   group_q;
  logic [WordBits-1:0]    word_base_q, word_row_q, word_q;
  logic [SlotBits-1:0]    slot_base_q, slot_row_q, slot_q;
  logic [WeightBits-1:0]  full_group_q, rest_group_q, weight_row_q, weight_q;
  logic [PixelBits-1:0]   frees_q;

  logic block_last, tap_last, done, load;
  assign block_last = channel_last_q && col_last_q && row_last_q;
  assign tap_last   = block_last && pass_last_q;
  assign done       = busy_q && step_ready && tap_last && group_last_q;

  // Input pixels that the waiting output pixel lacks, less 1: its sign tells that none is missing.
  logic primed_q;
  logic signed [CountBits-1:0] lacks_q;
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      primed_q <= 1'b0;
      lacks_q  <= '0;
    end else begin
      primed_q <= pixel_valid || primed_q;
      lacks_q  <= lacks_q - CountBits'(arrives);
      if (pixel_valid && !primed_q) lacks_q <= lacks_q - CountBits'(arrives) + signed'(CountBits'(pixel_need)) - CountBits'(1);
      else if (load) lacks_q <= lacks_q - CountBits'(arrives) + pixel_step;
    end
  end

  assign load           = primed_q && pixel_valid && lacks_q[CountBits-1] && (!busy_q || done);
  assign pixel_ready    = load;
  assign release_valid  = done;
  assign release_pixels = frees_q;

  always_ff @(posedge clk) begin
    if (!rst_n) busy_q <= 1'b0;
    else if (load) busy_q <= 1'b1;
    else if (done) busy_q <= 1'b0;
  end

  // Without taps there is one step, in which none exists.
  logic [RowsBits-1:0] load_rows;
  logic [ColsBits-1:0] load_cols;
  logic load_empty;
  assign load_empty = pixel_rows == '0;
  assign load_rows  = load_empty ? RowsBits'(1) : pixel_rows;
  assign load_cols  = load_empty ? ColsBits'(1) : pixel_cols;

  // Whether a pixel's taps fill no more than one block, of either kind.
  logic one_row_q, one_col_q, one_rest_row_q, one_rest_col_q;

  always_ff @(posedge clk) begin
    if (load) begin
      empty_q        <= load_empty;
      rows_q         <= load_rows;
      cols_q         <= load_cols;
      one_row_q      <= rows_within(load_rows, TapRows);
      one_col_q      <= cols_within(load_cols, TapCols);
      one_rest_row_q <= rows_within(load_rows, RestRows);
      one_rest_col_q <= cols_within(load_cols, RestCols);
      frees_q        <= pixel_frees;
      last_pixel_q   <= pixel_last;
      word_base_q    <= pixel_word;
      slot_base_q    <= pixel_slot;
    end
  end

  logic to_rest;
  assign to_rest = !tap_last;  // after a block_last
  localparam bit OneChannel = Full == 1;
  localparam bit OneGroup = OutGroups == 1;

  always_ff @(posedge clk) begin
    if (load) begin
      rest_q         <= 1'b0;
      first_q        <= 1'b1;
      channel_q      <= '0;
      col_q          <= load_cols;
      row_q          <= load_rows;
      group_q        <= '0;
      channel_last_q <= load_empty || OneChannel;
      col_last_q     <= cols_within(load_cols, TapCols);
      row_last_q     <= rows_within(load_rows, TapRows);
      pass_last_q    <= load_empty || HasRest == 0;
      group_last_q   <= OneGroup;
      word_q         <= pixel_word;
      word_row_q     <= pixel_word;
      slot_q         <= pixel_slot;
      slot_row_q     <= pixel_slot;
      weight_q       <= WeightBits'(pixel_tap_word);
      weight_row_q   <= WeightBits'(pixel_tap_word);
      full_group_q   <= WeightBits'(pixel_tap_word);
      rest_group_q   <= WeightBits'(Taps * Full) + WeightBits'(pixel_tap);
    end else if (busy_q && step_ready) begin
      first_q   <= tap_last;
      channel_q <= channel_last_q ? '0 : channel_q + ChannelBits'(1);
      if (block_last) begin  // on to the channels that remain, or to the next group
        rest_q         <= to_rest;
        channel_last_q <= to_rest || empty_q || OneChannel;
        col_last_q     <= to_rest ? one_rest_col_q : one_col_q;
        row_last_q     <= to_rest ? one_rest_row_q : one_row_q;
        pass_last_q    <= to_rest || empty_q || HasRest == 0;
        col_q          <= cols_q;
        row_q          <= rows_q;
        word_q         <= word_base_q;
        word_row_q     <= word_base_q;
        slot_q         <= slot_base_q;
        slot_row_q     <= slot_base_q;
        if (tap_last) begin
          group_q      <= group_last_q ? '0 : group_q + GroupBits'(1);
          group_last_q <= OneGroup || int'(group_q) == OutGroups - 2;
          weight_q     <= full_group_q + WeightBits'(GroupWords);
          weight_row_q <= full_group_q + WeightBits'(GroupWords);
          full_group_q <= full_group_q + WeightBits'(GroupWords);
          rest_group_q <= rest_group_q + WeightBits'(GroupWords);
        end else begin
          weight_q     <= rest_group_q;
          weight_row_q <= rest_group_q;
        end
      end else if (channel_last_q && col_last_q) begin  // to the block below
        channel_last_q <= rest_q || OneChannel;
        col_last_q     <= rest_q ? one_rest_col_q : one_col_q;
        row_last_q     <= rest_q ? rows_within(row_q, 2 * RestRows) : rows_within(row_q, 2 * TapRows);
        col_q          <= cols_q;
        row_q          <= row_q - RowsBits'(rest_q ? RestRows : TapRows);
        word_q         <= word_add(word_row_q, WordDown);
        word_row_q     <= word_add(word_row_q, WordDown);
        slot_q         <= slot_add(slot_row_q, SlotDown);
        slot_row_q     <= slot_add(slot_row_q, SlotDown);
        weight_q       <= weight_row_q + WeightBits'(rest_q ? RestRows * RowTaps : FullDown);
        weight_row_q   <= weight_row_q + WeightBits'(rest_q ? RestRows * RowTaps : FullDown);
      end else begin  // to the next group of channels, or to the block beside it
        channel_last_q <= rest_q || OneChannel || (!channel_last_q && int'(channel_q) == Full - 2);
        if (channel_last_q) begin
          col_last_q <= rest_q ? cols_within(col_q, 2 * RestCols) : cols_within(col_q, 2 * TapCols);
          col_q      <= col_q - ColsBits'(rest_q ? RestCols : TapCols);
        end
        word_q   <= word_add(word_q, channel_last_q ? WordOn : WordBits'(1 % RingWords));
        slot_q   <= slot_add(slot_q, SlotOn);
        weight_q <= weight_q + WeightBits'(rest_q ? RestCols * ColTaps : (channel_last_q ? FullOn : 1));
      end
    end
  end

  assign step_valid  = busy_q;
  assign word_addr   = word_q;
  assign slot_addr   = slot_q;
  assign weight_addr = weight_q;
  assign step_rest   = rest_q;
  assign step_first  = first_q;
  assign step_last   = tap_last;
  assign step_end    = group_last_q && last_pixel_q;
  for (genvar i = 0; i < TapRows; i++) begin : gen_tap_row
    for (genvar j = 0; j < TapCols; j++) begin : gen_tap_col
      assign full_exists[i*TapCols+j] = !rest_q && !empty_q && !rows_within(row_q, i) && !cols_within(col_q, j);
    end
  end
  for (genvar i = 0; i < RestRows; i++) begin : gen_rest_row
    for (genvar j = 0; j < RestCols; j++) begin : gen_rest_col
      assign rest_exists[i*RestCols+j] = rest_q && !rows_within(row_q, i) && !cols_within(col_q, j);
    end
  end
endmodule

`default_nettype wire
