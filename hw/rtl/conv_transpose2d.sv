// Transposed convolution, exact accumulators.
//
//   y[oy,ox,co] = Σ x[iy,ix,ci]·w[ky,kx,ci,co]  over  oy + PadHeight = iy·StrideHeight + ky,  ox + PadWidth = ix·StrideWidth + kx
//
// Input: pixels in raster order, Simd channels a beat; output likewise, Pe channels a beat. No zero is inserted:
// a frame takes Σ over the pixels of ceil(OutChannels/Pe) · max(1, taps · ceil(InChannels/Simd)) cycles.
`default_nettype none

module conv_transpose2d #(
  parameter int InHeight     = 2,
  parameter int InWidth      = 2,
  parameter int InChannels   = 2,
  parameter int OutHeight    = 4,
  parameter int OutWidth     = 4,
  parameter int OutChannels  = 2,
  parameter int KernelHeight = 4,
  parameter int KernelWidth  = 4,
  parameter int StrideHeight = 2,
  parameter int StrideWidth  = 2,
  parameter int PadHeight    = 1,
  parameter int PadWidth     = 1,
  parameter int TapRows      = 1,
  parameter int TapCols      = 1,
  parameter int RestRows     = 1,
  parameter int RestCols     = 1,
  parameter int Pe           = 1,
  parameter int Simd         = 1,
  parameter int InBits       = 8,
  parameter int InSigned     = 1,
  parameter int CodeBits     = 8,
  parameter int WeightBits   = 8,
  parameter int UseCodebook  = 0,
  parameter int OutBits      = 24,
  parameter int RingPixels   = 16,
  parameter int BankWords    = 0,
  parameter int Packing      = 1,
  parameter int Symmetric    = 0,
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
  if (OutHeight < 1 || OutHeight > (InHeight - 1) * StrideHeight - 2 * PadHeight + KernelHeight + StrideHeight - 1) begin : gen_bad_size
    $error("conv_transpose2d: OutHeight does not follow from the input, kernel, stride and padding");
  end

  mac_engine #(
    .Transposed(1), .InHeight(InHeight), .InWidth(InWidth), .InChannels(InChannels), .OutHeight(OutHeight),
    .OutWidth(OutWidth), .OutChannels(OutChannels), .KernelHeight(KernelHeight), .KernelWidth(KernelWidth),
    .StrideHeight(StrideHeight), .StrideWidth(StrideWidth), .PadHeight(PadHeight), .PadWidth(PadWidth), .TapRows(TapRows),
    .TapCols(TapCols), .RestRows(RestRows), .RestCols(RestCols), .Pe(Pe),
    .Simd(Simd), .InBits(InBits), .InSigned(InSigned), .CodeBits(CodeBits), .WeightBits(WeightBits),
    .UseCodebook(UseCodebook), .OutBits(OutBits), .RingPixels(RingPixels), .BankWords(BankWords), .Packing(Packing), .Symmetric(Symmetric), .WeightsFile(WeightsFile),
    .CodebookFile(CodebookFile)
  ) u_engine (
    .clk, .rst_n, .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .s_axis_tlast,
    .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );
endmodule

`default_nettype wire
