// Changes the lanes of a stream; the pixels stay.
//
//   out beat n of a pixel = its elements n*OutLanes … n*OutLanes + OutLanes - 1
//
// A pixel is ceil(Channels/InLanes) beats in and ceil(Channels/OutLanes) beats out. What the input carries beyond
// the channels is ignored; the output is zero there, but for equal lanes, where beats pass as they are.
//
//   lanes                  machine        latency                      cycles a frame
//   equal                  skid_buffer    1                            Pixels * beats
//   InLanes a multiple     serializer     1                            Pixels * output beats
//   OutLanes a multiple    deserializer   input beats of a full group  Pixels * input beats
//   otherwise              gearbox        input beats that hold the    Pixels * larger number of beats
//                                         first output beat

`default_nettype none

module width_converter #(
  parameter int unsigned Pixels   = 4,
  parameter int unsigned Channels = 6,
  parameter int unsigned InLanes  = 3,
  parameter int unsigned OutLanes = 2,
  parameter int unsigned Bits     = 8
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

  if (Pixels < 1 || Channels < 1 || InLanes < 1 || OutLanes < 1 || Bits < 1) begin : gen_bad_size
    $error("width_converter: Pixels, Channels, InLanes, OutLanes and Bits must be at least 1");
  end

  if (InLanes == OutLanes) begin : gen_equal
    skid_buffer #(.Bits(InLanes * Bits)) u_skid (
      .clk, .rst_n,
      .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .s_axis_tlast,
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
    );
  end else if (InLanes % OutLanes == 0) begin : gen_narrower
    serializer #(
      .Pixels(Pixels), .Channels(Channels), .InLanes(InLanes), .OutLanes(OutLanes), .Bits(Bits)
    ) u_serializer (
      .clk, .rst_n,
      .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .s_axis_tlast,
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
    );
  end else if (OutLanes % InLanes == 0) begin : gen_wider
    deserializer #(
      .Pixels(Pixels), .Channels(Channels), .InLanes(InLanes), .OutLanes(OutLanes), .Bits(Bits)
    ) u_deserializer (
      .clk, .rst_n,
      .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .s_axis_tlast,
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
    );
  end else begin : gen_general
    gearbox #(
      .Elements(Pixels * Channels), .InChannels(Channels), .OutChannels(Channels),
      .InLanes(InLanes), .OutLanes(OutLanes), .Bits(Bits)
    ) u_gearbox (
      .clk, .rst_n,
      .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .s_axis_tlast,
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
    );
  end

`ifndef SYNTHESIS
  stream_assert #(.Bits(1), .Beats(Pixels * ((Channels + InLanes - 1) / InLanes))) u_assert_in (
    .clk, .rst_n, .tdata(1'b0), .tvalid(s_axis_tvalid), .tready(s_axis_tready), .tlast(s_axis_tlast)
  );
  stream_assert #(.Bits(OutLanes * Bits), .Beats(Pixels * ((Channels + OutLanes - 1) / OutLanes))) u_assert_out (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`endif

endmodule

`default_nettype wire
