// A frame that is always the same, offered again and again.
//
//   m[n] = values[n mod Beats], beat by beat
//
// A read-only memory of Beats words of Lanes elements in raster order, lane 0 in the low bits, read into the two
// registers behind it, of which the second is the output. No input. The first beat is offered 2 cycles after reset;
// one beat a cycle: Beats cycles a frame.

`default_nettype none

module constant #(
  parameter int unsigned Beats      = 16,
  parameter int unsigned Lanes      = 3,
  parameter int unsigned Bits       = 8,
  parameter              ValuesFile = ""
) (
  input  logic                  clk,
  input  logic                  rst_n,

  output logic [Lanes*Bits-1:0] m_axis_tdata,
  output logic                  m_axis_tvalid,
  input  logic                  m_axis_tready,
  output logic                  m_axis_tlast
);

  if (Beats < 1 || Lanes < 1 || Bits < 1) begin : gen_bad_size
    $error("constant: Beats, Lanes and Bits must be at least 1");
  end

  localparam int unsigned AddressBits = $clog2(Beats + 1);

  // The word to be read next, and what lies in the memory's two registers.
  logic [AddressBits-1:0] address_q;
  logic                   address_last, read_valid_q, read_last_q, out_valid_q, out_last_q;
  logic                   advance;

  assign m_axis_tvalid = out_valid_q;
  assign m_axis_tlast  = out_last_q;
  assign advance       = !out_valid_q || m_axis_tready;
  assign address_last  = address_q == AddressBits'(Beats - 1);

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      address_q    <= '0;
      read_valid_q <= 1'b0;
      out_valid_q  <= 1'b0;
    end else if (advance) begin
      address_q    <= address_last ? '0 : address_q + AddressBits'(1);
      read_valid_q <= 1'b1;
      out_valid_q  <= read_valid_q;
    end
  end

  always_ff @(posedge clk) begin
    if (advance) begin
      read_last_q <= address_last;
      out_last_q  <= read_last_q;
    end
  end

  read_memory #(.Depth(Beats), .Bits(Lanes * Bits), .File(ValuesFile)) u_values (
    .clk, .enable(advance), .addr(address_q), .data(m_axis_tdata)
  );

`ifndef SYNTHESIS
  stream_assert #(.Bits(Lanes * Bits), .Beats(Beats)) u_assert_out (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`endif

endmodule

`default_nettype wire
