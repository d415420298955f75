// Skid buffer: cuts both directions of a stream with registers.
//
//   m[n] = s[n], beat by beat
//
// Two entries: an output register, and a spare one for the beat that arrives while the output stalls.
// `s_axis_tready` is a register (no path from `m_axis_tready`). Latency 1 cycle, one beat a cycle.

`default_nettype none

module skid_buffer #(
  parameter int unsigned Bits = 8
) (
  input  logic            clk,
  input  logic            rst_n,

  input  logic [Bits-1:0] s_axis_tdata,
  input  logic            s_axis_tvalid,
  output logic            s_axis_tready,
  input  logic            s_axis_tlast,

  output logic [Bits-1:0] m_axis_tdata,
  output logic            m_axis_tvalid,
  input  logic            m_axis_tready,
  output logic            m_axis_tlast
);

  if (Bits < 1) begin : gen_bad_bits
    $error("skid_buffer: Bits must be at least 1");
  end

  // tlast travels as the top bit of a beat.
  logic [Bits:0] out_q, spare_q;
  logic          out_valid_q, spare_free_q;
  logic          out_load;

  assign s_axis_tready = spare_free_q;
  assign m_axis_tvalid = out_valid_q;
  assign {m_axis_tlast, m_axis_tdata} = out_q;

  assign out_load = !out_valid_q || m_axis_tready;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      out_valid_q  <= 1'b0;
      spare_free_q <= 1'b1;
    end else if (out_load) begin
      out_valid_q  <= s_axis_tvalid || !spare_free_q;
      spare_free_q <= 1'b1;
    end else begin
      spare_free_q <= spare_free_q && !s_axis_tvalid;
    end
  end

  // A free spare entry follows the input, whether or not a beat is there: its content matters once it is taken.
  always_ff @(posedge clk) begin
    if (spare_free_q) spare_q <= {s_axis_tlast, s_axis_tdata};
    if (out_load)     out_q   <= spare_free_q ? {s_axis_tlast, s_axis_tdata} : spare_q;
  end

`ifndef SYNTHESIS
  stream_assert #(.Bits(Bits), .Beats(0)) u_assert (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`endif

endmodule

`default_nettype wire
