// Several products with one factor in common, out of one hardware multiplier.
//
//   products[l] = x · w[l]  for Lanes weights, from  x · Σ w[l]·2^(Pitch·l)  with  Pitch = InBits + WeightBits
//
// A product of an InBits and a WeightBits number fits Pitch bits, signed, whatever the signs. In the sum each lane
// borrows 1 from the next one if it is negative, so each lane but the lowest gets back the sign bit of the lane below:
// exact, no guard bits. The packed factor has Pitch·(Lanes-1) + WeightBits + 1 bits, one less where no weight is the
// most negative (Symmetric). Latency 3 enabled cycles: packed factor, product, lanes.
`default_nettype none

module packed_multiply #(
  parameter int unsigned Lanes      = 2,
  parameter int unsigned InBits     = 8,
  parameter int unsigned InSigned   = 1,
  parameter int unsigned WeightBits = 8,
  parameter int unsigned Symmetric  = 0,
  localparam int unsigned Pitch = InBits + WeightBits
) (
  input  logic                        clk,
  input  logic                        enable,
  input  logic [InBits-1:0]           x,
  input  logic [Lanes*WeightBits-1:0] weights,
  output logic [Lanes*Pitch-1:0]      products
);
  if (Lanes < 2) begin : gen_bad_lanes
    $error("packed_multiply: Lanes must be at least 2");
  end

  localparam int unsigned XBits = InBits + ((InSigned != 0) ? 0 : 1);
  localparam int unsigned FactorBits = Pitch * (Lanes - 1) + WeightBits + ((Symmetric != 0) ? 0 : 1);
  localparam int unsigned ProductBits = XBits + FactorBits;

  logic signed [XBits-1:0] x_q, operand;
  logic signed [FactorBits-1:0] factor_q, factor;
  logic signed [ProductBits-1:0] product_q;

  if (InSigned != 0) begin : gen_signed
    assign operand = signed'(x);
  end else begin : gen_unsigned
    assign operand = signed'({1'b0, x});
  end

  always_comb begin
    factor = '0;
    for (int l = Lanes - 1; l >= 0; l--) begin
      factor = (factor <<< Pitch) + FactorBits'(signed'(weights[l*WeightBits +: WeightBits]));
    end
  end

  always_ff @(posedge clk) begin
    if (enable) begin
      x_q       <= operand;
      factor_q  <= factor;
      product_q <= x_q * factor_q;
    end
  end

  // Each lane without what the lanes below borrowed.
  localparam int unsigned RestBits = Lanes * Pitch;
  logic [RestBits-1:0] whole;
  assign whole = RestBits'(product_q);
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [RestBits-l*Pitch-1:0] rest;  // the product from this lane up, the borrow of the lanes below paid back
    if (l == 0) begin : gen_lowest
      assign rest = whole;
    end else begin : gen_higher
      assign rest = gen_lane[l-1].rest[RestBits-(l-1)*Pitch-1:Pitch] +
                    (RestBits - l * Pitch)'(gen_lane[l-1].rest[Pitch-1]);
    end
    always_ff @(posedge clk) begin
      if (enable) products[l*Pitch +: Pitch] <= rest[Pitch-1:0];
    end
  end

  if (ProductBits > RestBits) begin : gen_unused
    logic unused;
    assign unused = ^product_q[ProductBits-1:RestBits];
  end
endmodule

`default_nettype wire
