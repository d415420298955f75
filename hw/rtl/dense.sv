// Fully connected layer, exact accumulators: y[co] = Σ x[ci]·w[ci,co]. The 1×1 case of the convolution.
//
// Input: Simd features a beat; output: Pe features a beat. A frame takes ceil(OutChannels/Pe) · ceil(InChannels/Simd)
// cycles.
`default_nettype none

module dense #(
  parameter int unsigned InChannels   = 2,
  parameter int unsigned OutChannels  = 2,
  parameter int unsigned Pe           = 1,
  parameter int unsigned Simd         = 1,
  parameter int unsigned InBits       = 8,
  parameter int unsigned InSigned     = 1,
  parameter int unsigned CodeBits     = 8,
  parameter int unsigned WeightBits   = 8,
  parameter int unsigned UseCodebook  = 0,
  parameter int unsigned OutBits      = 24,
  parameter int unsigned RingPixels   = 16,
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

  mac_engine #(
    .Transposed(0), .InHeight(1), .InWidth(1), .InChannels(InChannels), .OutHeight(1), .OutWidth(1),
    .OutChannels(OutChannels), .KernelHeight(1), .KernelWidth(1), .StrideHeight(1), .StrideWidth(1), .PadHeight(0),
    .PadWidth(0), .TapRows(1), .TapCols(1), .RestRows(1), .RestCols(1), .Pe(Pe), .Simd(Simd), .InBits(InBits),
    .InSigned(InSigned), .CodeBits(CodeBits), .WeightBits(WeightBits), .UseCodebook(UseCodebook), .OutBits(OutBits),
    .RingPixels(RingPixels), .BankWords(BankWords), .Packing(Packing), .Symmetric(Symmetric), .WeightsFile(WeightsFile),
    .CodebookFile(CodebookFile)
  ) u_engine (
    .clk, .rst_n, .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .s_axis_tlast,
    .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );
endmodule

`default_nettype wire
