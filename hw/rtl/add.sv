// Sum, or difference, of several streams, element by element.
//
//   y = x[0] + x[1] + … + x[Inputs-1];   Subtract: y = x[0] - x[1] - … - x[Inputs-1]
//
// Exact: OutBits hold every result. Beats keep their order; an input's beat is taken together with one of each other
// input. Buses are the inputs' side by side, input 0 in the low bits. The sums go straight into a skid buffer:
// latency 1; one beat a cycle: Beats cycles a frame.
// `s_axis_tready` depends on registers and on the inputs' `s_axis_tvalid`.

`default_nettype none

module add #(
  parameter int unsigned Inputs   = 2,
  parameter int unsigned Beats    = 16,
  parameter int unsigned Lanes    = 3,
  parameter int unsigned InBits   = 8,
  parameter int unsigned InSigned = 1,
  parameter int unsigned OutBits  = 9,
  parameter int unsigned Subtract = 0
) (
  input  logic                           clk,
  input  logic                           rst_n,

  input  logic [Inputs*Lanes*InBits-1:0] s_axis_tdata,
  input  logic [Inputs-1:0]              s_axis_tvalid,
  output logic [Inputs-1:0]              s_axis_tready,
  input  logic [Inputs-1:0]              s_axis_tlast,

  output logic [Lanes*OutBits-1:0]       m_axis_tdata,
  output logic                           m_axis_tvalid,
  input  logic                           m_axis_tready,
  output logic                           m_axis_tlast
);

  if (Inputs < 1 || Beats < 1 || Lanes < 1 || InBits < 1) begin : gen_bad_size
    $error("add: Inputs, Beats, Lanes and InBits must be at least 1");
  end
  if (InSigned > 1 || Subtract > 1) begin : gen_bad_flag
    $error("add: InSigned and Subtract must be 0 or 1");
  end
  if (OutBits < InBits) begin : gen_bad_out_bits
    $error("add: OutBits must be at least InBits");
  end

  logic [Lanes*OutBits-1:0] sums;
  logic                     all_valid, skid_ready;

  assign all_valid     = &s_axis_tvalid;
  assign s_axis_tready = {Inputs{all_valid && skid_ready}};

  // Modulo 2^OutBits, which no result leaves.
  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lane
    for (genvar i = 0; i < Inputs; i++) begin : gen_input
      logic [InBits-1:0]  x;
      logic [OutBits-1:0] term, sum;

      assign x = s_axis_tdata[(i*Lanes+lane)*InBits +: InBits];
      if (InSigned != 0) begin : gen_signed
        assign term = OutBits'(signed'(x));
      end else begin : gen_unsigned
        assign term = OutBits'(x);
      end
      if (i == 0) begin : gen_first
        assign sum = term;
      end else if (Subtract != 0) begin : gen_minus
        assign sum = gen_input[i-1].sum - term;
      end else begin : gen_plus
        assign sum = gen_input[i-1].sum + term;
      end
    end
    assign sums[lane*OutBits +: OutBits] = gen_input[Inputs-1].sum;
  end

  skid_buffer #(.Bits(Lanes * OutBits)) u_skid (
    .clk, .rst_n,
    .s_axis_tdata(sums), .s_axis_tvalid(all_valid), .s_axis_tready(skid_ready), .s_axis_tlast(s_axis_tlast[0]),
    .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );

  if (Inputs > 1) begin : gen_unused
    logic unused_tlast;
    assign unused_tlast = ^s_axis_tlast[Inputs-1:1];
  end

`ifndef SYNTHESIS
  for (genvar i = 0; i < Inputs; i++) begin : gen_assert
    stream_assert #(.Bits(1), .Beats(Beats)) u_assert_in (
      .clk, .rst_n, .tdata(1'b0), .tvalid(s_axis_tvalid[i]), .tready(s_axis_tready[i]), .tlast(s_axis_tlast[i])
    );
  end
  stream_assert #(.Bits(Lanes * OutBits), .Beats(Beats)) u_assert_out (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`endif

endmodule

`default_nettype wire
