// One stream to several readers.
//
//   m[i][n] = s[n], beat by beat, for each output i
//
// A skid buffer at each output: a beat is taken where all of them have room, and each output then goes its own way,
// as many beats ahead of the slowest one as that one's buffer holds. Buses are the outputs' side by side, output 0 in
// the low bits. Latency 1; one beat a cycle: Beats cycles a frame. `s_axis_tready` depends on registers alone.

`default_nettype none

module stream_fork #(
  parameter int unsigned Outputs = 2,
  parameter int unsigned Beats   = 16,
  parameter int unsigned Bits    = 8
) (
  input  logic                    clk,
  input  logic                    rst_n,

  input  logic [Bits-1:0]         s_axis_tdata,
  input  logic                    s_axis_tvalid,
  output logic                    s_axis_tready,
  input  logic                    s_axis_tlast,

  output logic [Outputs*Bits-1:0] m_axis_tdata,
  output logic [Outputs-1:0]      m_axis_tvalid,
  input  logic [Outputs-1:0]      m_axis_tready,
  output logic [Outputs-1:0]      m_axis_tlast
);

  if (Outputs < 1 || Beats < 1 || Bits < 1) begin : gen_bad_size
    $error("stream_fork: Outputs, Beats and Bits must be at least 1");
  end

  logic [Outputs-1:0] room;

  assign s_axis_tready = &room;

  for (genvar i = 0; i < Outputs; i++) begin : gen_output
    skid_buffer #(.Bits(Bits)) u_skid (
      .clk, .rst_n,
      .s_axis_tdata, .s_axis_tvalid(s_axis_tvalid && s_axis_tready), .s_axis_tready(room[i]), .s_axis_tlast,
      .m_axis_tdata(m_axis_tdata[i*Bits +: Bits]), .m_axis_tvalid(m_axis_tvalid[i]),
      .m_axis_tready(m_axis_tready[i]), .m_axis_tlast(m_axis_tlast[i])
    );

`ifndef SYNTHESIS
    stream_assert #(.Bits(Bits), .Beats(Beats)) u_assert_out (
      .clk, .rst_n, .tdata(m_axis_tdata[i*Bits +: Bits]), .tvalid(m_axis_tvalid[i]), .tready(m_axis_tready[i]),
      .tlast(m_axis_tlast[i])
    );
`endif
  end

`ifndef SYNTHESIS
  stream_assert #(.Bits(1), .Beats(Beats)) u_assert_in (
    .clk, .rst_n, .tdata(1'b0), .tvalid(s_axis_tvalid), .tready(s_axis_tready), .tlast(s_axis_tlast)
  );
`endif

endmodule

`default_nettype wire
