// Pe accumulators of Simd products each: products, a registered adder tree, and one accumulation a cycle.
//
//   acc[p] = Σ over the steps from `first` to `last` of Σ over s of x[s]·w[p][s]
//
// A pipeline of 3 + ceil(log2(Simd)) registers that moves while `enable` is high; with UseCodebook, stored codes become
// weights before the first. With Packing > 1 there are two more, and without a codebook one less: that many output
// channels share a multiplier (packed_multiply). Accumulators have AccBits, which the graph has proven to be enough.
`default_nettype none

module mac_array #(
  parameter int unsigned Pe           = 1,
  parameter int unsigned Simd         = 1,
  parameter int unsigned InBits       = 8,
  parameter int unsigned InSigned     = 1,
  parameter int unsigned CodeBits     = 8,
  parameter int unsigned WeightBits   = 8,
  parameter int unsigned UseCodebook  = 0,
  parameter              CodebookFile = "",
  parameter int unsigned AccBits      = 20,
  parameter int unsigned Packing      = 1,
  parameter int unsigned Symmetric    = 0  // no weight is the most negative
) (
  input  logic                        clk,
  input  logic                        rst_n,
  input  logic                        enable,

  input  logic [Simd*InBits-1:0]      x,
  input  logic [Pe*Simd*CodeBits-1:0] codes,
  input  logic                        valid,
  input  logic                        first,
  input  logic                        last,
  input  logic                        end_of_frame,

  output logic [Pe*AccBits-1:0]       sums,
  output logic                        sums_valid,
  output logic                        sums_next,  // sums become valid with the next enabled cycle
  output logic                        sums_end
);
  localparam int unsigned ProductBits = InBits + WeightBits;  // enough for any signs
  localparam int unsigned Levels = (Simd > 1) ? $clog2(Simd) : 0;
  localparam int unsigned SumBits = ProductBits + Levels;
  localparam int unsigned Delay = 1 + Levels + ((UseCodebook != 0 || Packing == 1) ? 1 : 0) + ((Packing > 1) ? 2 : 0);

  // Codes to weights.
  logic [Pe*Simd*WeightBits-1:0] decoded, weights;
  logic [Simd*InBits-1:0] values;
  if (UseCodebook != 0) begin : gen_codebook
    // A small table each: one with a port for each would be a large one.
    for (genvar i = 0; i < Pe * Simd; i++) begin : gen_weight
      logic [WeightBits-1:0] codebook [0:(1<<CodeBits)-1];
      if (CodebookFile != "") begin : gen_file
        initial $readmemh(CodebookFile, codebook);
      end else begin : gen_zero
        initial for (int c = 0; c < (1 << CodeBits); c++) codebook[c] = '0;
      end
      assign decoded[i*WeightBits +: WeightBits] = codebook[codes[i*CodeBits +: CodeBits]];
    end
`ifndef SYNTHESIS
    memory_assert #(.Depth(1 << CodeBits), .Bits(WeightBits), .File(CodebookFile)) u_assert ();
`endif
  end else begin : gen_plain
    assign decoded = codes;
  end

  // The multipliers' input registers; packed_multiply has its own, behind the sum of its weights.
  if (UseCodebook != 0 || Packing == 1) begin : gen_registers
    logic [Pe*Simd*WeightBits-1:0] weights_q;
    logic [Simd*InBits-1:0] values_q;
    always_ff @(posedge clk) begin
      if (enable) begin
        weights_q <= decoded;
        values_q  <= x;
      end
    end
    assign weights = weights_q;
    assign values  = values_q;
  end else begin : gen_wires
    assign weights = decoded;
    assign values  = x;
  end

  // What a step means travels beside it.
  logic [Delay-1:0] valid_q, first_q, last_q, end_q;
  always_ff @(posedge clk) begin
    if (!rst_n) valid_q <= '0;
    else if (enable) valid_q <= Delay'({valid_q, valid});
  end
  always_ff @(posedge clk) begin
    if (enable) begin
      first_q <= Delay'({first_q, first});
      last_q  <= Delay'({last_q, last});
      end_q   <= Delay'({end_q, end_of_frame});
    end
  end

  // Products: each of its own multiplier, or of Packing neighbouring output channels in one.
  logic [Pe*Simd*ProductBits-1:0] products;
  for (genvar i = 0; i < Simd; i++) begin : gen_product
    for (genvar p = 0; p < Pe; p += Packing) begin : gen_multiplier
      localparam int unsigned Lanes = (Pe - p < Packing) ? Pe - p : Packing;
      logic [Lanes*WeightBits-1:0] factors;
      for (genvar l = 0; l < Lanes; l++) begin : gen_factor
        assign factors[l*WeightBits +: WeightBits] = weights[((p+l)*Simd+i)*WeightBits +: WeightBits];
      end
      logic [Lanes*ProductBits-1:0] results;
      for (genvar l = 0; l < Lanes; l++) begin : gen_result
        assign products[((p+l)*Simd+i)*ProductBits +: ProductBits] = results[l*ProductBits +: ProductBits];
      end
      if (Lanes > 1) begin : gen_packed
        packed_multiply #(
          .Lanes(Lanes), .InBits(InBits), .InSigned(InSigned), .WeightBits(WeightBits), .Symmetric(Symmetric)
        ) u_packed (
          .clk, .enable, .x(values[i*InBits +: InBits]), .weights(factors), .products(results)
        );
      end else begin : gen_single
        localparam int unsigned XBits = InBits + ((InSigned != 0) ? 0 : 1);
        logic signed [XBits-1:0] operand;
        logic signed [WeightBits-1:0] factor;
        logic signed [XBits+WeightBits-1:0] product;
        if (InSigned != 0) begin : gen_signed
          assign operand = signed'(values[i*InBits +: InBits]);
        end else begin : gen_unsigned
          assign operand = signed'({1'b0, values[i*InBits +: InBits]});
        end
        assign factor  = signed'(factors);
        if (WeightBits <= 2) begin : gen_adder  // a weight of -2 to 1 is a choice and a sign: no multiplier
          logic signed [XBits+WeightBits-1:0] wide, magnitude;
          assign wide      = (XBits + WeightBits)'(operand);
          assign magnitude = factor[0] ? wide : ((WeightBits > 1 && factor != '0) ? wide <<< 1 : '0);
          assign product   = factor[WeightBits-1] ? -magnitude : magnitude;
        end else begin : gen_multiply
          assign product = operand * factor;
        end
        if (InSigned == 0) begin : gen_unused
          logic unused;
          assign unused = product[XBits+WeightBits-1];
        end
        logic [ProductBits-1:0] product_q;
        always_ff @(posedge clk) begin
          if (enable) product_q <= product[ProductBits-1:0];
        end
        if (Packing > 1) begin : gen_wait  // as long as packed products take
          logic [ProductBits-1:0] wait1_q, wait2_q;
          always_ff @(posedge clk) begin
            if (enable) begin
              wait1_q <= product_q;
              wait2_q <= wait1_q;
            end
          end
          assign results = wait2_q;
        end else begin : gen_at_once
          assign results = product_q;
        end
      end
    end
  end

  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    for (genvar level = 0; level <= Levels; level++) begin : gen_level
      localparam int unsigned Count = (Simd + (1 << level) - 1) >> level;
      localparam int unsigned Bits = ProductBits + level;
      logic [Count*Bits-1:0] sum_q;
      if (level == 0) begin : gen_products
        assign sum_q = products[p*Simd*ProductBits +: Simd*ProductBits];
      end else begin : gen_sums
        localparam int unsigned Below = (Simd + (1 << (level - 1)) - 1) >> (level - 1);
        for (genvar i = 0; i < Count; i++) begin : gen_sum
          logic signed [Bits-1:0] left, right;
          assign left = Bits'(signed'(gen_level[level-1].sum_q[2*i*(Bits-1) +: Bits-1]));
          if (2 * i + 1 < Below) begin : gen_pair
            assign right = Bits'(signed'(gen_level[level-1].sum_q[(2*i+1)*(Bits-1) +: Bits-1]));
          end else begin : gen_single
            assign right = '0;
          end
          always_ff @(posedge clk) begin
            if (enable) sum_q[i*Bits +: Bits] <= left + right;
          end
        end
      end
    end

    logic signed [SumBits-1:0] step_sum;
    logic signed [AccBits-1:0] acc_q, acc_d, out_q;
    assign step_sum = signed'(gen_level[Levels].sum_q);
    if (SumBits > AccBits) begin : gen_unused  // the actual weights need less than the widest sum
      logic unused;
      assign unused = ^step_sum[SumBits-1:AccBits];
    end
    assign acc_d = (first_q[Delay-1] ? '0 : acc_q) + AccBits'(step_sum);
    always_ff @(posedge clk) begin
      if (enable && valid_q[Delay-1]) begin
        acc_q <= acc_d;
        if (last_q[Delay-1]) out_q <= acc_d;
      end
    end
    assign sums[p*AccBits +: AccBits] = out_q;
  end

  assign sums_next = valid_q[Delay-1] && last_q[Delay-1];
  always_ff @(posedge clk) begin
    if (!rst_n) sums_valid <= 1'b0;
    else if (enable) sums_valid <= sums_next;
  end
  always_ff @(posedge clk) begin
    if (enable) sums_end <= end_q[Delay-1] && last_q[Delay-1];
  end
endmodule

`default_nettype wire
