// Decides the next step of a tap_walker: the loops over groups of output channels, blocks of taps and groups of input
// channels.
//
// A pixel starts as soon as all pixels of its window have arrived. What ends with the current step is known a cycle
// before, in registers of its own, so that a decision is a choice among flags; the addresses follow a cycle later, in
// tap_address.
`default_nettype none

module tap_decide #(
  parameter int unsigned KernelHeight = 4,
  parameter int unsigned KernelWidth  = 4,
  parameter int unsigned FramePixels  = 4,
  parameter int unsigned Full         = 1,
  parameter int unsigned HasRest      = 0,
  parameter int unsigned TapRows      = 1,
  parameter int unsigned TapCols      = 1,
  parameter int unsigned RestRows     = 1,
  parameter int unsigned RestCols     = 1,
  parameter int unsigned OutGroups    = 1,
  parameter int unsigned RingPixels   = 8,
  localparam int unsigned RowsBits  = $clog2(KernelHeight + 1),
  localparam int unsigned ColsBits  = $clog2(KernelWidth + 1),
  localparam int unsigned PixelBits = $clog2(FramePixels + 1),
  localparam int unsigned CountBits = $clog2(2 * FramePixels + RingPixels + 1) + 1
) (
  input  logic                         clk,
  input  logic                         rst_n,

  input  logic                         pixel_valid,
  input  logic [RowsBits-1:0]          pixel_rows,
  input  logic [ColsBits-1:0]          pixel_cols,
  input  logic [PixelBits-1:0]         pixel_need,
  input  logic signed [CountBits-1:0]  pixel_step,
  input  logic                         arrives,

  input  logic                         step_ready,
  output logic                         load,         // the pixel is taken: its first step is the next one
  output logic                         busy,         // there is a step
  output logic                         rest,         // it takes the channels that remain
  output logic                         first,        // the first and the last of an output group of a pixel
  output logic                         last,
  output logic                         group_last,   // of the last output group of the pixel
  output logic                         final_step,   // the pixel's last
  output logic [TapRows*TapCols-1:0]   full_exists,  // which taps of its block exist; none in a step of the other kind
  output logic [RestRows*RestCols-1:0] rest_exists,

  // How it follows on the one before it, one of them: as the first of a pixel, of the channels that remain, of the next
  // output group, in the block below, in the one beside it, or in the next group of channels.
  output logic                         to_pixel,
  output logic                         to_rest,
  output logic                         to_group,
  output logic                         to_down,
  output logic                         to_beside,
  output logic                         to_channel
);
  localparam int unsigned ChannelBits = (Full > 1) ? $clog2(Full) : 1;
  localparam int unsigned GroupBits   = (OutGroups > 1) ? $clog2(OutGroups) : 1;
  localparam bit          OneChannel  = Full == 1;
  localparam bit          OneGroup    = OutGroups == 1;

  // Comparisons of few bits by equality, which take no carry chain.
  function automatic logic rows_within(input logic [RowsBits-1:0] rows, input int most);
    rows_within = 1'b0;
    for (int r = 0; r <= KernelHeight; r++) if (r <= most && int'(rows) == r) rows_within = 1'b1;
  endfunction

  function automatic logic cols_within(input logic [ColsBits-1:0] cols, input int most);
    cols_within = 1'b0;
    for (int c = 0; c <= KernelWidth; c++) if (c <= most && int'(cols) == c) cols_within = 1'b1;
  endfunction

  // The current pixel. Rows and columns count the taps that are left, the block's own included.
  logic                   busy_q, empty_q, rest_q, first_q;
  logic                   channel_last_q, col_last_q, row_last_q, pass_last_q, group_last_q;
  logic                   block_last_q, tap_last_q, final_q;  // of a block of taps, an output group, and the pixel
  logic [RowsBits-1:0]    rows_q, row_q;
  logic [ColsBits-1:0]    cols_q, col_q;
  logic [ChannelBits-1:0] channel_q;
  logic [GroupBits-1:0]   group_q;
  logic                   step;
  assign step = busy_q && step_ready;

  // Input pixels that the waiting output pixel lacks, less 1: its sign tells that none is missing. The bit below it is
  // the carry: a pixel that arrives takes 1 away without a subtraction of its own.
  logic primed_q, arrives_q, prime;
  logic signed [CountBits-1:0] lacks_q, lacks_d, more;
  logic unused_carry;
  assign prime = pixel_valid && !primed_q;
  assign more  = prime ? signed'(CountBits'(pixel_need)) : load ? pixel_step : '1;
  assign {lacks_d, unused_carry} = {lacks_q, 1'b1} + {more, !arrives_q};
  assign load = primed_q && pixel_valid && lacks_q[CountBits-1] && (!busy_q || (step_ready && final_q));

  // Without taps there is one step, in which none exists.
  logic [RowsBits-1:0] load_rows;
  logic [ColsBits-1:0] load_cols;
  logic                load_empty;
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
    end
  end

  // A register for each, as all of them are read in the next cycle.
  typedef enum logic [5:0] {
    ToPixel = 6'b000001, ToRest = 6'b000010, ToGroup = 6'b000100, ToDown = 6'b001000, ToBeside = 6'b010000,
    ToChannel = 6'b100000
  } next_t;
  next_t next_q, next_d;
  assign {to_channel, to_beside, to_down, to_group, to_rest, to_pixel} = next_q;

  logic rest_d, channel_last_d, col_last_d, row_last_d, pass_last_d, group_last_d;
  always_comb begin
    rest_d         = rest_q;
    channel_last_d = rest_q || OneChannel;
    col_last_d     = col_last_q;
    row_last_d     = row_last_q;
    pass_last_d    = pass_last_q;
    group_last_d   = group_last_q;
    if (load) begin
      next_d         = ToPixel;
      rest_d         = 1'b0;
      channel_last_d = load_empty || OneChannel;
      col_last_d     = cols_within(load_cols, TapCols);
      row_last_d     = rows_within(load_rows, TapRows);
      pass_last_d    = load_empty || HasRest == 0;
      group_last_d   = OneGroup;
    end else if (tap_last_q) begin
      next_d         = ToGroup;
      rest_d         = 1'b0;
      channel_last_d = empty_q || OneChannel;
      col_last_d     = one_col_q;
      row_last_d     = one_row_q;
      pass_last_d    = empty_q || HasRest == 0;
      group_last_d   = OneGroup || int'(group_q) == OutGroups - 2;
    end else if (block_last_q) begin
      next_d         = ToRest;
      rest_d         = 1'b1;
      channel_last_d = 1'b1;
      col_last_d     = one_rest_col_q;
      row_last_d     = one_rest_row_q;
      pass_last_d    = 1'b1;
    end else if (channel_last_q && col_last_q) begin
      next_d         = ToDown;
      col_last_d     = rest_q ? one_rest_col_q : one_col_q;
      row_last_d     = rest_q ? rows_within(row_q, 2 * RestRows) : rows_within(row_q, 2 * TapRows);
    end else if (channel_last_q) begin
      next_d         = ToBeside;
      col_last_d     = rest_q ? cols_within(col_q, 2 * RestCols) : cols_within(col_q, 2 * TapCols);
    end else begin
      next_d         = ToChannel;
      channel_last_d = int'(channel_q) == Full - 2;
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      primed_q  <= 1'b0;
      arrives_q <= 1'b0;
      lacks_q   <= CountBits'(-2);
      busy_q    <= 1'b0;
      next_q    <= ToPixel;
    end else begin
      primed_q  <= pixel_valid || primed_q;
      arrives_q <= arrives;
      lacks_q   <= lacks_d;
      if (load) busy_q <= 1'b1;
      else if (step_ready && final_q) busy_q <= 1'b0;
      if (load || step) next_q <= next_d;
    end
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

  assign busy       = busy_q;
  assign rest       = rest_q;
  assign first      = first_q;
  assign last       = tap_last_q;
  assign group_last = group_last_q;
  assign final_step = final_q;
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
