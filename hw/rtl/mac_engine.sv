// The machine behind dense, conv2d and conv_transpose2d: tap-serial, no multiplication wasted on zeros or borders.
//
//   pixel cycles = ceil(OutChannels/Pe) · max(1, Full · blocks(TapRows, TapCols) + blocks(RestRows, RestCols))
//   blocks(n, m) = ceil(rows/n) · ceil(cols/m)  for rows · cols taps,  Full = floor(InChannels/Simd)
//
// and the second term only where Simd leaves channels over. window_stream says which window each output pixel has,
// tap_walker goes through its taps, input_ring and weight_memory give inputs and weights, mac_array multiplies and
// adds. The whole pipeline holds while an accumulator beat waits for the skid buffer at the output; filling the ring
// goes on meanwhile. Input tlast is not needed: frames are counted (and checked in simulation).
`default_nettype none

module mac_engine #(
  parameter int unsigned Transposed   = 1,
  parameter int unsigned InHeight     = 2,
  parameter int unsigned InWidth      = 2,
  parameter int unsigned InChannels   = 1,
  parameter int unsigned OutHeight    = 4,
  parameter int unsigned OutWidth     = 4,
  parameter int unsigned OutChannels  = 1,
  parameter int unsigned KernelHeight = 4,
  parameter int unsigned KernelWidth  = 4,
  parameter int unsigned StrideHeight = 2,
  parameter int unsigned StrideWidth  = 2,
  parameter int unsigned PadHeight    = 1,
  parameter int unsigned PadWidth     = 1,
  parameter int unsigned TapRows      = 1,
  parameter int unsigned TapCols      = 1,
  parameter int unsigned RestRows     = 1,
  parameter int unsigned RestCols     = 1,
  parameter int unsigned Pe           = 1,
  parameter int unsigned Simd         = 1,
  parameter int unsigned InBits       = 8,
  parameter int unsigned InSigned     = 1,
  parameter int unsigned CodeBits     = 8,
  parameter int unsigned WeightBits   = 8,
  parameter int unsigned UseCodebook  = 0,
  parameter int unsigned OutBits      = 20,
  parameter int unsigned RingPixels   = 8,
  parameter int unsigned BankWords    = 0,
  parameter int unsigned Packing      = 1,
  parameter int unsigned Symmetric    = 0,
  parameter              WeightsFile  = "",
  parameter              CodebookFile = ""
) (
  input  logic                   clk,
  input  logic                   rst_n,

  input  logic [Simd*InBits-1:0] s_axis_tdata,
  input  logic                   s_axis_tvalid,
  output logic                   s_axis_tready,
  input  logic                   s_axis_tlast,

  output logic [Pe*OutBits-1:0]  m_axis_tdata,
  output logic                   m_axis_tvalid,
  input  logic                   m_axis_tready,
  output logic                   m_axis_tlast
);
  if (Pe < 1 || Pe > OutChannels) begin : gen_bad_pe
    $error("mac_engine: Pe must be 1 to OutChannels");
  end
  if (Simd < 1 || Simd > InChannels) begin : gen_bad_simd
    $error("mac_engine: Simd must be 1 to InChannels");
  end

  if (RestRows * RestCols * (InChannels % Simd) > TapRows * TapCols * Simd) begin : gen_bad_rest
    $error("mac_engine: the channels that remain of RestRows * RestCols taps do not fit into the lanes");
  end

  localparam int unsigned Full = (Simd < InChannels) ? InChannels / Simd : 1;
  localparam int unsigned Rest = (Simd < InChannels) ? InChannels % Simd : 0;
  localparam int unsigned RestLanes = (Rest > 0) ? Rest : 1;
  localparam int unsigned Lanes = TapRows * TapCols * Simd;
  localparam int unsigned InGroups = Full + ((Rest > 0) ? 1 : 0);
  localparam int unsigned OutGroups = (OutChannels + Pe - 1) / Pe;
  localparam int unsigned Taps = KernelHeight * KernelWidth;
  localparam int unsigned FramePixels = InHeight * InWidth;
  localparam int unsigned WeightWords = Taps * InGroups * OutGroups;
  localparam int unsigned RowsBits = $clog2(KernelHeight + 1);
  localparam int unsigned ColsBits = $clog2(KernelWidth + 1);
  localparam int unsigned TapBits = $clog2(Taps + 1);
  localparam int unsigned TapWordBits = $clog2(Taps * Full + 1);
  localparam int unsigned AddrBits = $clog2(WeightWords + 1);
  localparam int unsigned WordBits = $clog2(RingPixels * Full + 1);
  localparam int unsigned SlotBits = $clog2(RingPixels + 1);
  localparam int unsigned PixelBits = $clog2(FramePixels + 1);
  localparam int unsigned CountBits = $clog2(2 * FramePixels + RingPixels + 1) + 1;

  logic pixel_valid, pixel_ready, pixel_last;
  logic [RowsBits-1:0] pixel_rows;
  logic [ColsBits-1:0] pixel_cols;
  logic [TapBits-1:0] pixel_tap;
  logic [TapWordBits-1:0] pixel_tap_word;
  logic [WordBits-1:0] pixel_word, word_addr;
  logic [SlotBits-1:0] pixel_slot, slot_addr;
  logic [PixelBits-1:0] pixel_need, pixel_frees;
  logic signed [CountBits-1:0] pixel_step, release_less1;
  logic arrives, enable, hold_q;
  logic step_valid, step_rest, step_first, step_last, step_end;
  logic [TapRows*TapCols-1:0] full_exists;
  logic [RestRows*RestCols-1:0] rest_exists;
  logic [AddrBits-1:0] weight_addr;

  window_stream #(
    .Transposed(Transposed), .InHeight(InHeight), .InWidth(InWidth), .OutHeight(OutHeight), .OutWidth(OutWidth),
    .KernelHeight(KernelHeight), .KernelWidth(KernelWidth), .StrideHeight(StrideHeight), .StrideWidth(StrideWidth),
    .PadHeight(PadHeight), .PadWidth(PadWidth), .Full(Full), .RingPixels(RingPixels)
  ) u_windows (
    .clk, .rst_n, .pixel_valid, .pixel_ready, .pixel_rows, .pixel_cols, .pixel_tap, .pixel_tap_word, .pixel_slot,
    .pixel_word, .pixel_need, .pixel_step, .pixel_frees, .pixel_last
  );

  tap_walker #(
    .Transposed(Transposed), .KernelHeight(KernelHeight), .KernelWidth(KernelWidth), .StrideHeight(StrideHeight),
    .StrideWidth(StrideWidth), .InWidth(InWidth), .FramePixels(FramePixels), .Full(Full), .HasRest((Rest > 0) ? 1 : 0),
    .TapRows(TapRows), .TapCols(TapCols), .RestRows(RestRows), .RestCols(RestCols), .OutGroups(OutGroups),
    .RingPixels(RingPixels)
  ) u_walker (
    .clk, .rst_n, .pixel_valid, .pixel_ready, .pixel_rows, .pixel_cols, .pixel_tap, .pixel_tap_word, .pixel_slot,
    .pixel_word, .pixel_need, .pixel_step, .pixel_frees, .pixel_last, .arrives, .release_less1, .step_valid,
    .step_ready(!hold_q), .word_addr, .slot_addr, .weight_addr, .step_rest, .full_exists, .rest_exists, .step_first,
    .step_last, .step_end
  );

  logic [Lanes*InBits-1:0] full_data;
  logic [RestRows*RestCols*RestLanes*InBits-1:0] rest_data;
  input_ring #(
    .InHeight(InHeight), .InWidth(InWidth), .InChannels(InChannels), .InBits(InBits), .Simd(Simd), .TapRows(TapRows),
    .TapCols(TapCols), .RestRows(RestRows), .RestCols(RestCols), .RingPixels(RingPixels)
  ) u_ring (
    .clk, .rst_n, .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .arrives, .release_less1,
    .read_enable(enable), .word_addr, .slot_addr, .full_data, .rest_data
  );

  // Beside the ring's two registers and the one of `x`: what a step means. The weights take as long, and longer if they
  // lie in banks.
  localparam int unsigned Banks = (BankWords > 0) ? (WeightWords + BankWords - 1) / BankWords : 1;
  localparam int unsigned Wait = (Banks > 8) ? 3 : (Banks > 1) ? 2 : 0;
  localparam int unsigned Ahead = 3 + Wait;
  logic [Ahead-1:0] valid_q, first_q, last_q, end_q;
  logic [1:0] rest_q;
  logic [1:0][TapRows*TapCols-1:0] full_exists_q;
  logic [1:0][RestRows*RestCols-1:0] rest_exists_q;
  always_ff @(posedge clk) begin
    if (!rst_n) valid_q <= '0;
    else if (enable) valid_q <= {valid_q[Ahead-2:0], step_valid};
  end
  always_ff @(posedge clk) begin
    if (enable) begin
      first_q       <= {first_q[Ahead-2:0], step_first};
      last_q        <= {last_q[Ahead-2:0], step_last};
      end_q         <= {end_q[Ahead-2:0], step_end};
      rest_q        <= {rest_q[0], step_rest};
      full_exists_q <= {full_exists_q[0], full_exists};
      rest_exists_q <= {rest_exists_q[0], rest_exists};
    end
  end

  // Lanes without a channel, and those of taps that do not exist, are 0.
  logic [Lanes*InBits-1:0] existing_q, x;
  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lane
    logic [InBits-1:0] full_lane, lane_d;
    assign full_lane = full_exists_q[1][lane/Simd] ? full_data[lane*InBits +: InBits] : '0;
    if (lane < RestRows * RestCols * Rest) begin : gen_both
      logic [InBits-1:0] rest_lane;
      assign rest_lane = rest_exists_q[1][lane/RestLanes] ? rest_data[lane*InBits +: InBits] : '0;
      assign lane_d    = rest_q[1] ? rest_lane : full_lane;
    end else begin : gen_full
      assign lane_d = full_lane;
    end
    always_ff @(posedge clk) begin
      if (enable) existing_q[lane*InBits +: InBits] <= lane_d;
    end
  end
  logic [Lanes*InBits-1:0] wait1_q, wait2_q, wait3_q;
  always_ff @(posedge clk) begin
    if (enable) begin
      wait1_q <= existing_q;
      wait2_q <= wait1_q;
      wait3_q <= wait2_q;
    end
  end
  assign x = (Wait == 0) ? existing_q : (Wait == 2) ? wait2_q : wait3_q;
  if (Rest == 0) begin : gen_no_rest
    logic unused;
    assign unused = ^{rest_data, rest_exists_q[1], rest_q[1]};
  end

  logic [Pe*Lanes*CodeBits-1:0] codes;
  weight_memory #(
    .Depth(WeightWords), .Bits(Pe * Lanes * CodeBits), .BankWords(BankWords), .File(WeightsFile)
  ) u_weights (
    .clk, .enable, .addr(weight_addr), .data(codes)
  );

  logic [Pe*OutBits-1:0] sums;
  logic sums_valid, sums_next, sums_end, skid_ready;
  mac_array #(
    .Pe(Pe), .Simd(Lanes), .InBits(InBits), .InSigned(InSigned), .CodeBits(CodeBits), .WeightBits(WeightBits),
    .UseCodebook(UseCodebook), .CodebookFile(CodebookFile), .AccBits(OutBits), .Packing(Packing), .Symmetric(Symmetric)
  ) u_array (
    .clk, .rst_n, .enable, .x, .codes, .valid(valid_q[Ahead-1]), .first(first_q[Ahead-1]), .last(last_q[Ahead-1]),
    .end_of_frame(end_q[Ahead-1]), .sums, .sums_valid, .sums_next, .sums_end
  );

  // The pipeline moves unless sums wait for the skid buffer. As half of the kernel hangs on this, it is a register,
  // which follows from what both will be in the next cycle. The walker has one of its own, turned around, which has few
  // loads and lies beside it.
  logic enable_q, sums_wait, skid_fills;
  assign sums_wait  = enable ? sums_next : sums_valid;
  assign skid_fills = m_axis_tvalid && !m_axis_tready && (sums_valid || !skid_ready);
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      enable_q <= 1'b1;
      hold_q   <= 1'b0;
    end else begin
      enable_q <= !(sums_wait && skid_fills);
      hold_q   <= sums_wait && skid_fills;
    end
  end
  assign enable = enable_q;

  skid_buffer #(.Bits(Pe * OutBits)) u_skid (
    .clk, .rst_n, .s_axis_tdata(sums), .s_axis_tvalid(sums_valid), .s_axis_tready(skid_ready), .s_axis_tlast(sums_end),
    .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );

`ifndef SYNTHESIS
  stream_assert #(.Bits(Simd * InBits), .Beats(FramePixels * InGroups)) u_assert_in (
    .clk, .rst_n, .tdata(s_axis_tdata), .tvalid(s_axis_tvalid), .tready(s_axis_tready), .tlast(s_axis_tlast)
  );
  stream_assert #(.Bits(Pe * OutBits), .Beats(OutHeight * OutWidth * OutGroups)) u_assert_out (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`else
  logic unused;
  assign unused = s_axis_tlast;
`endif
endmodule

`default_nettype wire
