// Transposed convolution, exact accumulators.
//
//   y[oy,ox,co] = Σ x[iy,ix,ci]·w[ky,kx,ci,co]
//   over  oy + PadHeight = iy·StrideHeight + ky,  ox + PadWidth = ix·StrideWidth + kx
//
// Input: pixels in raster order, Simd channels a beat; output likewise, Pe channels a beat. No zero is inserted:
// a frame takes Σ over the pixels of ceil(OutChannels/Pe) · max(1, taps · ceil(InChannels/Simd)) cycles.
`default_nettype none

module conv_transpose2d #(
  parameter int unsigned InHeight     = 2,
  parameter int unsigned InWidth      = 2,
  parameter int unsigned InChannels   = 2,
  parameter int unsigned OutHeight    = 4,
  parameter int unsigned OutWidth     = 4,
  parameter int unsigned OutChannels  = 2,
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
  if (OutHeight < 1 || OutHeight + 2 * PadHeight > InHeight * StrideHeight + KernelHeight - 1) begin : gen_bad_size
    $error("conv_transpose2d: OutHeight does not follow from the input, kernel, stride and padding");
  end

  mac_engine #(
    .Transposed(1), .InHeight(InHeight), .InWidth(InWidth), .InChannels(InChannels), .OutHeight(OutHeight),
    .OutWidth(OutWidth), .OutChannels(OutChannels), .KernelHeight(KernelHeight), .KernelWidth(KernelWidth),
    .StrideHeight(StrideHeight), .StrideWidth(StrideWidth), .PadHeight(PadHeight), .PadWidth(PadWidth),
    .TapRows(TapRows), .TapCols(TapCols), .RestRows(RestRows), .RestCols(RestCols), .Pe(Pe), .Simd(Simd),
    .InBits(InBits), .InSigned(InSigned), .CodeBits(CodeBits), .WeightBits(WeightBits), .UseCodebook(UseCodebook),
    .OutBits(OutBits), .RingPixels(RingPixels), .BankWords(BankWords), .Packing(Packing), .Symmetric(Symmetric),
    .WeightsFile(WeightsFile), .CodebookFile(CodebookFile)
  ) u_engine (
    .clk, .rst_n, .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .s_axis_tlast,
    .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );
endmodule

`default_nettype wire
