// The machine behind dense, conv2d and conv_transpose2d: tap-serial, no multiplication wasted on zeros or borders.
//
//   pixel cycles = ceil(OutChannels/Pe) · max(1, taps · ceil(InChannels/Simd))
//
// pixel_generator says which window a pixel has, tap_walker walks it, input_ring and read_memory give inputs and weights,
// mac_array multiplies and adds. The whole pipeline holds while an accumulator beat waits for the skid buffer at the output;
// filling the ring goes on meanwhile. Input tlast is not needed: frames are counted (and checked in simulation).
`default_nettype none

module mac_engine #(
  parameter int Transposed   = 1,
  parameter int InHeight     = 2,
  parameter int InWidth      = 2,
  parameter int InChannels   = 1,
  parameter int OutHeight    = 4,
  parameter int OutWidth     = 4,
  parameter int OutChannels  = 1,
  parameter int KernelHeight = 4,
  parameter int KernelWidth  = 4,
  parameter int StrideHeight = 2,
  parameter int StrideWidth  = 2,
  parameter int PadHeight    = 1,
  parameter int PadWidth     = 1,
  parameter int Pe           = 1,
  parameter int Simd         = 1,
  parameter int InBits       = 8,
  parameter int InSigned     = 1,
  parameter int CodeBits     = 8,
  parameter int WeightBits   = 8,
  parameter int UseCodebook  = 0,
  parameter int OutBits      = 20,
  parameter int RingWords    = 8,
  parameter int Packing      = 1,
  parameter     WeightsFile  = "",
  parameter     CodebookFile = ""
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

  localparam int InGroups = (InChannels + Simd - 1) / Simd;
  localparam int OutGroups = (OutChannels + Pe - 1) / Pe;
  localparam int FrameWords = InHeight * InWidth * InGroups;
  localparam int GroupWords = KernelHeight * KernelWidth * InGroups;
  localparam int RowsBits = $clog2(KernelHeight + 1);
  localparam int ColsBits = $clog2(KernelWidth + 1);
  localparam int TapBits = $clog2(GroupWords + 1);
  localparam int AddrBits = $clog2(GroupWords * OutGroups + 1);
  localparam int RingBits = $clog2(RingWords + 1);
  localparam int WordBits = $clog2(FrameWords + 1);
  localparam int CountBits = $clog2(2 * FrameWords + RingWords + 1) + 1;

  logic pixel_valid, pixel_ready, pixel_last;
  logic [RowsBits-1:0] pixel_rows;
  logic [ColsBits-1:0] pixel_cols;
  logic [TapBits-1:0] pixel_tap_base;
  logic [RingBits-1:0] pixel_ring_base, ring_addr;
  logic [WordBits-1:0] pixel_need, pixel_frees, release_words;
  logic signed [CountBits-1:0] written;
  logic frame_starts, release_valid, enable;
  logic step_valid, step_first, step_last, step_empty, step_end;
  logic [AddrBits-1:0] weight_addr;

  pixel_generator #(
    .Transposed(Transposed), .InHeight(InHeight), .InWidth(InWidth), .OutHeight(OutHeight), .OutWidth(OutWidth),
    .KernelHeight(KernelHeight), .KernelWidth(KernelWidth), .StrideHeight(StrideHeight), .StrideWidth(StrideWidth),
    .PadHeight(PadHeight), .PadWidth(PadWidth), .InGroups(InGroups), .RingWords(RingWords)
  ) u_pixels (
    .clk, .rst_n, .valid(pixel_valid), .ready(pixel_ready), .rows(pixel_rows), .cols(pixel_cols),
    .tap_base(pixel_tap_base), .ring_base(pixel_ring_base), .need(pixel_need), .frees(pixel_frees), .last(pixel_last)
  );

  tap_walker #(
    .Transposed(Transposed), .KernelHeight(KernelHeight), .KernelWidth(KernelWidth), .StrideHeight(StrideHeight),
    .StrideWidth(StrideWidth), .RowWords(InWidth * InGroups), .FrameWords(FrameWords), .InGroups(InGroups),
    .OutGroups(OutGroups), .RingWords(RingWords)
  ) u_walker (
    .clk, .rst_n, .pixel_valid, .pixel_ready, .pixel_rows, .pixel_cols, .pixel_tap_base, .pixel_ring_base, .pixel_need,
    .pixel_frees, .pixel_last, .written, .frame_starts, .release_valid, .release_words, .step_valid,
    .step_ready(enable), .ring_addr, .weight_addr, .step_first, .step_last, .step_empty, .step_end
  );

  // The lanes of a pixel's last beat beyond the channels may hold anything: they are cleared on the way in.
  logic [Simd*InBits-1:0] masked;
  localparam int Remainder = InChannels - (InGroups - 1) * Simd;
  if (Remainder == Simd) begin : gen_whole
    assign masked = s_axis_tdata;
  end else begin : gen_mask
    localparam int ChannelBits = (InGroups > 1) ? $clog2(InGroups) : 1;
    logic [ChannelBits-1:0] channel_q;
    logic channel_last;
    assign channel_last = int'(channel_q) == InGroups - 1;
    always_ff @(posedge clk) begin
      if (!rst_n) channel_q <= '0;
      else if (s_axis_tvalid && s_axis_tready) channel_q <= channel_last ? '0 : channel_q + ChannelBits'(1);
    end
    assign masked = {channel_last ? '0 : s_axis_tdata[Simd*InBits-1:Remainder*InBits], s_axis_tdata[Remainder*InBits-1:0]};
  end

  logic [Simd*InBits-1:0] x;
  input_ring #(.Bits(Simd * InBits), .RingWords(RingWords), .FrameWords(FrameWords)) u_ring (
    .clk, .rst_n, .s_axis_tdata(masked), .s_axis_tvalid, .s_axis_tready, .written, .frame_starts, .release_valid,
    .release_words, .read_enable(enable), .read_addr(ring_addr), .read_data(x)
  );

  logic [Pe*Simd*CodeBits-1:0] codes;
  read_memory #(.Depth(GroupWords * OutGroups), .Bits(Pe * Simd * CodeBits), .File(WeightsFile)) u_weights (
    .clk, .enable, .addr(weight_addr), .data(codes)
  );

  // Beside the two registers of the memories.
  logic [1:0] valid_q, first_q, last_q, empty_q, end_q;
  always_ff @(posedge clk) begin
    if (!rst_n) valid_q <= '0;
    else if (enable) valid_q <= {valid_q[0], step_valid};
  end
  always_ff @(posedge clk) begin
    if (enable) begin
      first_q <= {first_q[0], step_first};
      last_q  <= {last_q[0], step_last};
      empty_q <= {empty_q[0], step_empty};
      end_q   <= {end_q[0], step_end};
    end
  end

  logic [Pe*OutBits-1:0] sums;
  logic sums_valid, sums_end, skid_ready;
  mac_array #(
    .Pe(Pe), .Simd(Simd), .InBits(InBits), .InSigned(InSigned), .CodeBits(CodeBits), .WeightBits(WeightBits),
    .UseCodebook(UseCodebook), .CodebookFile(CodebookFile), .AccBits(OutBits), .Packing(Packing)
  ) u_array (
    .clk, .rst_n, .enable, .x, .codes, .valid(valid_q[1]), .first(first_q[1]), .last(last_q[1]), .empty(empty_q[1]),
    .end_of_frame(end_q[1]), .sums, .sums_valid, .sums_end
  );

  assign enable = !sums_valid || skid_ready;

  skid_buffer #(.Bits(Pe * OutBits)) u_skid (
    .clk, .rst_n, .s_axis_tdata(sums), .s_axis_tvalid(sums_valid), .s_axis_tready(skid_ready), .s_axis_tlast(sums_end),
    .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );

`ifndef SYNTHESIS
  stream_assert #(.Bits(Simd * InBits), .Beats(FrameWords)) u_assert_in (
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
