// The same elements in the same order under other pixels.
//
//   out element n = in element n, in frames of Elements elements;
//   a pixel is InChannels elements in and OutChannels elements out, and its last beat may be partly padding
//
// Where no beat is padded on either side the pixel borders do not matter, and where the channels are equal they
// agree: both are the task of a width_converter (see there for latency). Otherwise a gearbox: its latency is the
// input beats that hold the first output beat.

`default_nettype none

module reshape #(
  parameter int unsigned Elements    = 24,
  parameter int unsigned InChannels  = 24,
  parameter int unsigned OutChannels = 6,
  parameter int unsigned InLanes     = 4,
  parameter int unsigned OutLanes    = 4,
  parameter int unsigned Bits        = 8
) (
  input  logic                     clk,
  input  logic                     rst_n,

  input  logic [InLanes*Bits-1:0]  s_axis_tdata,
  input  logic                     s_axis_tvalid,
  output logic                     s_axis_tready,
  input  logic                     s_axis_tlast,

  output logic [OutLanes*Bits-1:0] m_axis_tdata,
  output logic                     m_axis_tvalid,
  input  logic                     m_axis_tready,
  output logic                     m_axis_tlast
);

  if (InChannels < 1 || OutChannels < 1 || InLanes < 1 || OutLanes < 1 || Bits < 1) begin : gen_bad_size
    $error("reshape: InChannels, OutChannels, InLanes, OutLanes and Bits must be at least 1");
  end
  if (Elements < 1 || Elements % InChannels != 0 || Elements % OutChannels != 0) begin : gen_bad_elements
    $error("reshape: Elements must be a multiple of InChannels and of OutChannels");
  end

  localparam bit          NoPadding = InChannels % InLanes == 0 && OutChannels % OutLanes == 0;
  localparam int unsigned WideLanes = InLanes > OutLanes ? InLanes : OutLanes;
  // Without padding a pixel may be as small as the wider beat, if the other one divides it.
  localparam bit          Dividing  = WideLanes % InLanes == 0 && WideLanes % OutLanes == 0;
  localparam int unsigned Channels  = !NoPadding ? InChannels : Dividing ? WideLanes : Elements;

  if (NoPadding || InChannels == OutChannels) begin : gen_same_pixels
    width_converter #(
      .Pixels(Elements / Channels), .Channels(Channels), .InLanes(InLanes), .OutLanes(OutLanes), .Bits(Bits)
    ) u_width_converter (
      .clk, .rst_n,
      .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .s_axis_tlast,
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
    );
  end else begin : gen_other_pixels
    gearbox #(
      .Elements(Elements), .InChannels(InChannels), .OutChannels(OutChannels),
      .InLanes(InLanes), .OutLanes(OutLanes), .Bits(Bits)
    ) u_gearbox (
      .clk, .rst_n,
      .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .s_axis_tlast,
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
    );
  end

`ifndef SYNTHESIS
  stream_assert #(
    .Bits(1), .Beats(Elements / InChannels * ((InChannels + InLanes - 1) / InLanes))
  ) u_assert_in (
    .clk, .rst_n, .tdata(1'b0), .tvalid(s_axis_tvalid), .tready(s_axis_tready), .tlast(s_axis_tlast)
  );
  stream_assert #(
    .Bits(OutLanes * Bits), .Beats(Elements / OutChannels * ((OutChannels + OutLanes - 1) / OutLanes))
  ) u_assert_out (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`endif

endmodule

`default_nettype wire
