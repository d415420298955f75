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
  input  logic signed [CountBits-1:0] pixel_step,  // how many more the following output pixel needs, less 1
  input  logic [PixelBits-1:0]   pixel_frees,
  input  logic                   pixel_last,

  // The ring: an input pixel arrives, and the pixels of room that a finished one makes, less 1.
  input  logic                   arrives,
  output logic signed [CountBits-1:0] release_less1,

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
  logic                   block_last_q, tap_last_q, final_q;  // of a block of taps, an output group, and the pixel
  logic [RowsBits-1:0]    rows_q, row_q;
  logic [ColsBits-1:0]    cols_q, col_q;
  logic [ChannelBits-1:0] channel_q;
  logic [GroupBits-1:0]   group_q;
  logic [PixelBits-1:0]   frees_q;

  logic step, load;
  assign step = busy_q && step_ready;

  // Input pixels that the waiting output pixel lacks, less 1: its sign tells that none is missing. The bit below it is the carry: a
  // pixel that arrives takes 1 away without a subtraction of its own.
  logic primed_q, arrives_q, prime;
  logic signed [CountBits-1:0] lacks_q, lacks_d, more;
  logic unused_carry;
  assign prime = pixel_valid && !primed_q;
  assign more  = prime ? signed'(CountBits'(pixel_need)) : load ? pixel_step : '1;
  assign {lacks_d, unused_carry} = {lacks_q, 1'b1} + {more, !arrives_q};
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      primed_q  <= 1'b0;
      arrives_q <= 1'b0;
      lacks_q   <= CountBits'(-2);
    end else begin
      primed_q  <= pixel_valid || primed_q;
      arrives_q <= arrives;
      lacks_q   <= lacks_d;
    end
  end

  assign load        = primed_q && pixel_valid && lacks_q[CountBits-1] && (!busy_q || (step_ready && final_q));
  assign pixel_ready = load;

  always_ff @(posedge clk) begin
    if (!rst_n) busy_q <= 1'b0;
    else if (load) busy_q <= 1'b1;
    else if (step_ready && final_q) busy_q <= 1'b0;
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
  logic [WordBits-1:0]    word_base_q;
  logic [SlotBits-1:0]    slot_base_q;
  logic [TapBits-1:0]     tap_base_q;
  logic [TapWordBits-1:0] tap_word_base_q;

  always_ff @(posedge clk) begin
    if (load) begin
      empty_q         <= load_empty;
      rows_q          <= load_rows;
      cols_q          <= load_cols;
      one_row_q       <= rows_within(load_rows, TapRows);
      one_col_q       <= cols_within(load_cols, TapCols);
      one_rest_row_q  <= rows_within(load_rows, RestRows);
      one_rest_col_q  <= cols_within(load_cols, RestCols);
      frees_q         <= pixel_frees;
      last_pixel_q    <= pixel_last;
      word_base_q     <= pixel_word;
      slot_base_q     <= pixel_slot;
      tap_base_q      <= pixel_tap;
      tap_word_base_q <= pixel_tap_word;
    end
  end

  localparam bit OneChannel = Full == 1;
  localparam bit OneGroup = OutGroups == 1;

  // What the next step is, and how it follows: to the first of a pixel, to the channels that remain, to the next group, to the block
  // below, to the one beside it, or to the next group of channels.
  typedef enum logic [5:0] {
    ToPixel = 6'b000001, ToRest = 6'b000010, ToGroup = 6'b000100, ToDown = 6'b001000, ToBeside = 6'b010000, ToChannel = 6'b100000
  } how_t;
  how_t how_q, how_d;
  logic rest_d, channel_last_d, col_last_d, row_last_d, pass_last_d, group_last_d;
  always_comb begin
    rest_d         = rest_q;
    channel_last_d = rest_q || OneChannel;
    col_last_d     = col_last_q;
    row_last_d     = row_last_q;
    pass_last_d    = pass_last_q;
    group_last_d   = group_last_q;
    if (load) begin
      how_d          = ToPixel;
      rest_d         = 1'b0;
      channel_last_d = load_empty || OneChannel;
      col_last_d     = cols_within(load_cols, TapCols);
      row_last_d     = rows_within(load_rows, TapRows);
      pass_last_d    = load_empty || HasRest == 0;
      group_last_d   = OneGroup;
    end else if (tap_last_q) begin
      how_d          = ToGroup;
      rest_d         = 1'b0;
      channel_last_d = empty_q || OneChannel;
      col_last_d     = one_col_q;
      row_last_d     = one_row_q;
      pass_last_d    = empty_q || HasRest == 0;
      group_last_d   = OneGroup || int'(group_q) == OutGroups - 2;
    end else if (block_last_q) begin
      how_d          = ToRest;
      rest_d         = 1'b1;
      channel_last_d = 1'b1;
      col_last_d     = one_rest_col_q;
      row_last_d     = one_rest_row_q;
      pass_last_d    = 1'b1;
    end else if (channel_last_q && col_last_q) begin
      how_d          = ToDown;
      col_last_d     = rest_q ? one_rest_col_q : one_col_q;
      row_last_d     = rest_q ? rows_within(row_q, 2 * RestRows) : rows_within(row_q, 2 * TapRows);
    end else if (channel_last_q) begin
      how_d          = ToBeside;
      col_last_d     = rest_q ? cols_within(col_q, 2 * RestCols) : cols_within(col_q, 2 * TapCols);
    end else begin
      how_d          = ToChannel;
      channel_last_d = int'(channel_q) == Full - 2;
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) how_q <= ToPixel;
    else if (load || step) how_q <= how_d;
  end
  always_ff @(posedge clk) begin
    if (load || step) begin
      first_q        <= load || tap_last_q;
      rest_q         <= rest_d;
      channel_last_q <= channel_last_d;
      col_last_q     <= col_last_d;
      row_last_q     <= row_last_d;
      pass_last_q    <= pass_last_d;
      group_last_q   <= group_last_d;
      block_last_q   <= channel_last_d && col_last_d && row_last_d;
      tap_last_q     <= channel_last_d && col_last_d && row_last_d && pass_last_d;
      final_q        <= channel_last_d && col_last_d && row_last_d && pass_last_d && group_last_d;
      channel_q      <= (load || channel_last_q) ? '0 : channel_q + ChannelBits'(1);
    end
    if (load) begin
      col_q   <= load_cols;
      row_q   <= load_rows;
      group_q <= '0;
    end else if (step) begin
      if (tap_last_q) group_q <= group_last_q ? '0 : group_q + GroupBits'(1);
      if (block_last_q) begin
        col_q <= cols_q;
        row_q <= rows_q;
      end else if (channel_last_q && col_last_q) begin
        col_q <= cols_q;
        row_q <= row_q - RowsBits'(rest_q ? RestRows : TapRows);
      end else if (channel_last_q) begin
        col_q <= col_q - ColsBits'(rest_q ? RestCols : TapCols);
      end
    end
  end

  // A cycle later: the step's addresses, and what it means. An address in the ring that goes beyond its end comes from a second sum,
  // beside the first one.
  logic [WordBits-1:0]   word_row_q, word_from, word_on, word_d;
  logic [WordBits:0]     word_less;
  logic [SlotBits-1:0]   slot_row_q, slot_from, slot_on, slot_d;
  logic [SlotBits:0]     slot_less;
  logic [WeightBits-1:0] weight_row_q, weight_from, weight_on, full_group_q, rest_group_q;
  logic                  at_rest_q, final_step_q;
  logic [PixelBits-1:0]  freed_q;
  always_comb begin
    word_from   = word_addr;
    word_on     = WordBits'(1 % RingWords);
    word_less   = (WordBits + 1)'(1 % RingWords - RingWords);
    slot_from   = slot_addr;
    slot_on     = SlotOn;
    slot_less   = {1'b0, SlotOn} - (SlotBits + 1)'(RingPixels);
    weight_from = weight_addr;
    weight_on   = WeightBits'(1);
    if (how_q[4]) begin
      word_on     = WordOn;
      word_less   = {1'b0, WordOn} - (WordBits + 1)'(RingWords);
      weight_on   = at_rest_q ? WeightBits'(RestCols * ColTaps) : WeightBits'(FullOn);
    end
    if (how_q[3]) begin
      word_from   = word_row_q;
      word_on     = WordDown;
      word_less   = {1'b0, WordDown} - (WordBits + 1)'(RingWords);
      slot_from   = slot_row_q;
      slot_on     = SlotDown;
      slot_less   = {1'b0, SlotDown} - (SlotBits + 1)'(RingPixels);
      weight_from = weight_row_q;
      weight_on   = at_rest_q ? WeightBits'(RestRows * RowTaps) : WeightBits'(FullDown);
    end
    if (how_q[2]) begin
      weight_from = full_group_q;
      weight_on   = WeightBits'(GroupWords);
    end
  end

  logic [WordBits-1:0] word_sum;
  logic [SlotBits-1:0] slot_sum;
  logic [WordBits:0] word_wrapped;
  logic [SlotBits:0] slot_wrapped;
  logic [WeightBits-1:0] weight_d;
  logic restart;
  assign word_sum     = word_from + word_on;
  assign word_wrapped = {1'b0, word_from} + word_less;
  assign slot_sum     = slot_from + slot_on;
  assign slot_wrapped = {1'b0, slot_from} + slot_less;
  assign restart      = how_q[0] || how_q[1] || how_q[2];
  assign word_d   = restart ? word_base_q : word_wrapped[WordBits] ? word_sum : word_wrapped[WordBits-1:0];
  assign slot_d   = restart ? slot_base_q : slot_wrapped[SlotBits] ? slot_sum : slot_wrapped[SlotBits-1:0];
  assign weight_d = how_q[0] ? WeightBits'(tap_word_base_q) : how_q[1] ? rest_group_q : weight_from + weight_on;

  always_ff @(posedge clk) begin
    if (step) begin
      word_addr   <= word_d;
      slot_addr   <= slot_d;
      weight_addr <= weight_d;
      at_rest_q   <= rest_q;
      if (!how_q[5] && !how_q[4]) begin
        word_row_q   <= word_d;
        slot_row_q   <= slot_d;
        weight_row_q <= weight_d;
      end
      if (how_q[0] || how_q[2]) full_group_q <= weight_d;
      if (how_q[0]) rest_group_q <= WeightBits'(Taps * Full) + WeightBits'(tap_base_q);
      else if (how_q[2]) rest_group_q <= rest_group_q + WeightBits'(GroupWords);
    end
  end

  logic [TapRows*TapCols-1:0]   full_exists_d;
  logic [RestRows*RestCols-1:0] rest_exists_d;
  for (genvar i = 0; i < TapRows; i++) begin : gen_tap_row
    for (genvar j = 0; j < TapCols; j++) begin : gen_tap_col
      assign full_exists_d[i*TapCols+j] = !rest_q && !empty_q && !rows_within(row_q, i) && !cols_within(col_q, j);
    end
  end
  for (genvar i = 0; i < RestRows; i++) begin : gen_rest_row
    for (genvar j = 0; j < RestCols; j++) begin : gen_rest_col
      assign rest_exists_d[i*RestCols+j] = rest_q && !rows_within(row_q, i) && !cols_within(col_q, j);
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) step_valid <= 1'b0;
    else if (step_ready) step_valid <= busy_q;
  end
  always_ff @(posedge clk) begin
    if (step_ready) begin
      step_rest    <= rest_q;
      step_first   <= first_q;
      step_last    <= tap_last_q;
      step_end     <= group_last_q && last_pixel_q;
      full_exists  <= full_exists_d;
      rest_exists  <= rest_exists_d;
      final_step_q <= final_q;
      freed_q      <= frees_q;
    end
  end

  // Room is made when the last step is taken: the ring is read in that cycle.
  always_ff @(posedge clk) begin
    if (!rst_n) release_less1 <= '1;
    else release_less1 <= (step_valid && step_ready && final_step_q) ? signed'(CountBits'(freed_q)) - CountBits'(1) : '1;
  end
endmodule

`default_nettype wire
