// Pe accumulators of Simd products each: products, a registered adder tree, and one accumulation a cycle.
//
//   acc[p] = Σ over the steps from `first` to `last` of Σ over s of x[s]·w[p][s]
//
// A pipeline of 2 + ceil(log2(Simd)) registers that moves while `enable` is high; with UseCodebook one more, in which stored
// codes become weights. Accumulators have AccBits, which the graph has proven to be enough.
`default_nettype none

module mac_array #(
  parameter int Pe          = 1,
  parameter int Simd        = 1,
  parameter int InBits      = 8,
  parameter int InSigned    = 1,
  parameter int CodeBits    = 8,
  parameter int WeightBits  = 8,
  parameter int UseCodebook = 0,
  parameter     CodebookFile = "",
  parameter int AccBits     = 20
) (
  input  logic                        clk,
  input  logic                        rst_n,
  input  logic                        enable,

  input  logic [Simd*InBits-1:0]      x,
  input  logic [Pe*Simd*CodeBits-1:0] codes,
  input  logic                        valid,
  input  logic                        first,
  input  logic                        last,
  input  logic                        empty,  // x counts as 0
  input  logic                        end_of_frame,

  output logic [Pe*AccBits-1:0]       sums,
  output logic                        sums_valid,
  output logic                        sums_end
);
  localparam int XBits = InBits + ((InSigned != 0) ? 0 : 1);
  localparam int ProductBits = XBits + WeightBits;
  localparam int Levels = (Simd > 1) ? $clog2(Simd) : 0;
  localparam int SumBits = ProductBits + Levels;
  localparam int Delay = 1 + Levels + ((UseCodebook != 0) ? 1 : 0);

  // Codes to weights.
  logic [Pe*Simd*WeightBits-1:0] weights;
  logic [Simd*InBits-1:0] values;
  logic values_empty;
  if (UseCodebook != 0) begin : gen_codebook
    logic [WeightBits-1:0] codebook [0:(1<<CodeBits)-1];
    if (CodebookFile != "") begin : gen_file
      initial $readmemh(CodebookFile, codebook);
    end else begin : gen_zero
      initial for (int i = 0; i < (1 << CodeBits); i++) codebook[i] = '0;
    end
    logic [Pe*Simd*WeightBits-1:0] weights_q;
    logic [Simd*InBits-1:0] values_q;
    logic empty_q;
    for (genvar i = 0; i < Pe * Simd; i++) begin : gen_weight
      always_ff @(posedge clk) begin
        if (enable) weights_q[i*WeightBits+:WeightBits] <= codebook[codes[i*CodeBits+:CodeBits]];
      end
    end
    always_ff @(posedge clk) begin
      if (enable) begin
        values_q <= x;
        empty_q  <= empty;
      end
    end
    assign weights      = weights_q;
    assign values       = values_q;
    assign values_empty = empty_q;
  end else begin : gen_plain
    assign weights      = codes;
    assign values       = x;
    assign values_empty = empty;
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

  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    for (genvar level = 0; level <= Levels; level++) begin : gen_level
      localparam int Count = (Simd + (1 << level) - 1) >> level;
      localparam int Bits = ProductBits + level;
      logic [Count*Bits-1:0] sum_q;
      for (genvar i = 0; i < Count; i++) begin : gen_sum
        if (level == 0) begin : gen_product
          logic signed [XBits-1:0] operand;
          logic signed [WeightBits-1:0] weight;
          logic signed [ProductBits-1:0] product;
          if (InSigned != 0) begin : gen_signed
            assign operand = values_empty ? '0 : signed'(values[i*InBits+:InBits]);
          end else begin : gen_unsigned
            assign operand = values_empty ? '0 : signed'({1'b0, values[i*InBits+:InBits]});
          end
          assign weight  = signed'(weights[(p*Simd+i)*WeightBits+:WeightBits]);
          assign product = operand * weight;
          always_ff @(posedge clk) begin
            if (enable) sum_q[i*Bits+:Bits] <= product;
          end
        end else begin : gen_add
          localparam int Below = (Simd + (1 << (level - 1)) - 1) >> (level - 1);
          logic signed [Bits-1:0] left, right;
          assign left = Bits'(signed'(gen_level[level-1].sum_q[2*i*(Bits-1)+:Bits-1]));
          if (2 * i + 1 < Below) begin : gen_pair
            assign right = Bits'(signed'(gen_level[level-1].sum_q[(2*i+1)*(Bits-1)+:Bits-1]));
          end else begin : gen_single
            assign right = '0;
          end
          always_ff @(posedge clk) begin
            if (enable) sum_q[i*Bits+:Bits] <= left + right;
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
    assign sums[p*AccBits+:AccBits] = out_q;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) sums_valid <= 1'b0;
    else if (enable) sums_valid <= valid_q[Delay-1] && last_q[Delay-1];
  end
  always_ff @(posedge clk) begin
    if (enable) sums_end <= end_q[Delay-1] && last_q[Delay-1];
  end
endmodule

`default_nettype wire
