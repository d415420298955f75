// Requantize: wide integers become narrow ones, per channel c; arithmetic shift, round half up, saturate.
//
//   t = x·m[c] + b[c];   if Leaky and t < 0: t = x·mn[c] + bn[c]
//   y = clamp((t + 2^(Shift-1)) >> Shift, Low, High)          (no rounding term if Shift = 0)
//
// `t < 0` is (x < threshold[c]) != flip[c]: one multiplier a lane, whichever branch. With UseMultiplier = 0 every m is
// 2^k and the multiplier memory holds k: a left shift (a leaky negative branch still multiplies). Lanes channels a
// beat, a beat a cycle, latency 5 to 7 cycles. The pipeline holds while its last beat waits for the skid buffer.
`default_nettype none

module requantize #(
  parameter int unsigned Pixels                 = 1,
  parameter int unsigned Channels               = 2,
  parameter int unsigned Lanes                  = 1,
  parameter int unsigned InBits                 = 20,
  parameter int unsigned InSigned               = 1,
  parameter int unsigned MultiplierBits         = 18,
  parameter int unsigned BiasBits               = 32,
  parameter int unsigned Shift                  = 16,
  parameter int unsigned OutBits                = 8,
  parameter int unsigned OutSigned              = 1,
  parameter int signed   Low                    = -128,
  parameter int signed   High                   = 127,
  parameter int unsigned Leaky                  = 0,
  parameter int unsigned UseMultiplier          = 1,
  parameter int unsigned Parts                  = 1,  // multipliers of a product: 2 where their ports are too narrow
  parameter              MultiplierFile         = "",
  parameter              BiasFile               = "",
  parameter              NegativeMultiplierFile = "",
  parameter              NegativeBiasFile       = "",
  parameter              ThresholdFile          = "",
  parameter              FlipFile               = ""
) (
  input  logic                     clk,
  input  logic                     rst_n,

  input  logic [Lanes*InBits-1:0]  s_axis_tdata,
  input  logic                     s_axis_tvalid,
  output logic                     s_axis_tready,
  input  logic                     s_axis_tlast,

  output logic [Lanes*OutBits-1:0] m_axis_tdata,
  output logic                     m_axis_tvalid,
  input  logic                     m_axis_tready,
  output logic                     m_axis_tlast
);
  if (Pixels < 1 || Lanes < 1 || Lanes > Channels) begin : gen_bad_lanes
    $error("requantize: Pixels must be at least 1 and Lanes 1 to Channels");
  end
  if (Low > High || (OutSigned == 0 && Low < 0)) begin : gen_bad_bounds
    $error("requantize: Low must not be above High, nor negative for an unsigned output");
  end

  localparam int unsigned Groups = (Channels + Lanes - 1) / Lanes;
  localparam int unsigned GroupBits = $clog2(Groups + 1);
  localparam int unsigned XBits = InBits + ((InSigned != 0) ? 0 : 1);
  localparam int unsigned ThresholdBits = InBits + 2;
  // 2^k is at most 2^(MultiplierBits - 2), so a shifted x fits the product as well.
  localparam int unsigned ProductBits = XBits + MultiplierBits;
  localparam int unsigned HalfBits = (Shift > 0) ? Shift : 1;
  localparam int unsigned Widest = (ProductBits > BiasBits) ? ((ProductBits > HalfBits) ? ProductBits : HalfBits)
                                                   : ((BiasBits > HalfBits) ? BiasBits : HalfBits);
  localparam int unsigned TotalBits = (Widest + 2 > OutBits + 2 + Shift) ? Widest + 2 : OutBits + 2 + Shift;

  localparam int unsigned PartBits = 17;

  // Registers: 2 while the parameters are read, 1 for the sign of t if leaky, then the product's parts, product, sum,
  // result.
  localparam int unsigned Stages = 6 + ((Leaky != 0) ? 1 : 0);
  logic enable, out_ready;
  logic [Stages-1:0] valid_q, last_q;
  assign enable = !valid_q[Stages-1] || out_ready;
  assign s_axis_tready = enable;
  always_ff @(posedge clk) begin
    if (!rst_n) valid_q <= '0;
    else if (enable) valid_q <= {valid_q[Stages-2:0], s_axis_tvalid};
  end
  always_ff @(posedge clk) begin
    if (enable) last_q <= {last_q[Stages-2:0], s_axis_tlast};
  end

  logic [GroupBits-1:0] group_q;
  always_ff @(posedge clk) begin
    if (!rst_n) group_q <= '0;
    else if (enable && s_axis_tvalid) group_q <= (int'(group_q) == Groups - 1) ? '0 : group_q + GroupBits'(1);
  end

  logic [Lanes*InBits-1:0] x1_q, x2_q;
  always_ff @(posedge clk) begin
    if (enable) begin
      x1_q <= s_axis_tdata;
      x2_q <= x1_q;
    end
  end

  logic [Lanes*MultiplierBits-1:0] m2;
  logic [Lanes*BiasBits-1:0] b2;
  read_memory #(.Depth(Groups), .Bits(Lanes * MultiplierBits), .File(MultiplierFile)) u_multiplier (
    .clk, .enable, .addr(group_q), .data(m2)
  );
  read_memory #(.Depth(Groups), .Bits(Lanes * BiasBits), .File(BiasFile)) u_bias (
    .clk, .enable, .addr(group_q), .data(b2)
  );

  // The branch: m, b and x of the product stage.
  logic [Lanes*InBits-1:0] x;
  logic [Lanes*MultiplierBits-1:0] m;
  logic [Lanes*BiasBits-1:0] b;
  logic [Lanes-1:0] negative;
  if (Leaky != 0) begin : gen_leaky
    logic [Lanes*MultiplierBits-1:0] mn2, m3_q;
    logic [Lanes*BiasBits-1:0] bn2, b3_q;
    logic [Lanes*ThresholdBits-1:0] threshold2;
    logic [Lanes-1:0] flip2, negative2, negative3_q;
    logic [Lanes*InBits-1:0] x3_q;
    read_memory #(.Depth(Groups), .Bits(Lanes * MultiplierBits), .File(NegativeMultiplierFile)) u_negative_multiplier (
      .clk, .enable, .addr(group_q), .data(mn2)
    );
    read_memory #(.Depth(Groups), .Bits(Lanes * BiasBits), .File(NegativeBiasFile)) u_negative_bias (
      .clk, .enable, .addr(group_q), .data(bn2)
    );
    read_memory #(.Depth(Groups), .Bits(Lanes * ThresholdBits), .File(ThresholdFile)) u_threshold (
      .clk, .enable, .addr(group_q), .data(threshold2)
    );
    read_memory #(.Depth(Groups), .Bits(Lanes), .File(FlipFile)) u_flip (
      .clk, .enable, .addr(group_q), .data(flip2)
    );
    for (genvar l = 0; l < Lanes; l++) begin : gen_sign
      logic signed [ThresholdBits-1:0] value;
      if (InSigned != 0) begin : gen_signed
        assign value = ThresholdBits'(signed'(x2_q[l*InBits +: InBits]));
      end else begin : gen_unsigned
        assign value = ThresholdBits'(x2_q[l*InBits +: InBits]);
      end
      assign negative2[l] = (value < signed'(threshold2[l*ThresholdBits +: ThresholdBits])) != flip2[l];
      always_ff @(posedge clk) begin
        if (enable) begin
          m3_q[l*MultiplierBits +: MultiplierBits] <= negative2[l] ? mn2[l*MultiplierBits +: MultiplierBits]
                                                                 : m2[l*MultiplierBits +: MultiplierBits];
          b3_q[l*BiasBits +: BiasBits] <= negative2[l] ? bn2[l*BiasBits +: BiasBits] : b2[l*BiasBits +: BiasBits];
        end
      end
    end
    always_ff @(posedge clk) begin
      if (enable) begin
        x3_q        <= x2_q;
        negative3_q <= negative2;
      end
    end
    assign x = x3_q;
    assign m = m3_q;
    assign b = b3_q;
    assign negative = negative3_q;
  end else begin : gen_linear
    assign x = x2_q;
    assign m = m2;
    assign b = b2;
    assign negative = '0;
  end

  logic [Lanes*OutBits-1:0] y;
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic signed [XBits-1:0] value;
    logic signed [MultiplierBits-1:0] factor;
    logic signed [ProductBits-1:0] product_q;
    logic signed [BiasBits-1:0] bias1_q, bias2_q;
    logic signed [TotalBits-1:0] total_q, shifted;
    logic [OutBits-1:0] y_q;

    if (InSigned != 0) begin : gen_signed
      assign value = signed'(x[l*InBits +: InBits]);
    end else begin : gen_unsigned
      assign value = signed'({1'b0, x[l*InBits +: InBits]});
    end
    assign factor = signed'(m[l*MultiplierBits +: MultiplierBits]);
    if (UseMultiplier != 0 && Parts > 1 && XBits > PartBits + 1) begin : gen_parts  // value = high·2^PartBits + low
      localparam int unsigned HighBits = XBits - PartBits;
      logic signed [PartBits:0] low;
      logic signed [HighBits-1:0] high;
      logic signed [PartBits+MultiplierBits:0] low_q;
      logic signed [HighBits+MultiplierBits-1:0] high_q;
      assign low  = signed'({1'b0, value[PartBits-1:0]});
      assign high = value[XBits-1:PartBits];
      always_ff @(posedge clk) begin
        if (enable) begin
          low_q     <= low * factor;
          high_q    <= high * factor;
          product_q <= (ProductBits'(high_q) <<< PartBits) + ProductBits'(low_q);
        end
      end
    end else begin : gen_whole
      logic signed [ProductBits-1:0] product_d, whole_q;
      if (UseMultiplier != 0) begin : gen_multiply
        assign product_d = value * factor;
      end else if (Leaky != 0) begin : gen_shift_or_multiply
        assign product_d = negative[l] ? value * factor : ProductBits'(value) <<< unsigned'(factor);
      end else begin : gen_shift
        assign product_d = ProductBits'(value) <<< unsigned'(factor);
      end
      always_ff @(posedge clk) begin
        if (enable) begin
          whole_q   <= product_d;
          product_q <= whole_q;
        end
      end
    end

    assign shifted = total_q >>> Shift;
    always_ff @(posedge clk) begin
      if (enable) begin
        bias1_q <= signed'(b[l*BiasBits +: BiasBits]);
        bias2_q <= bias1_q;
        total_q <= TotalBits'(product_q) + TotalBits'(bias2_q) + ((Shift > 0) ? TotalBits'(1) <<< (Shift - 1) : '0);
        if (shifted < TotalBits'(Low)) y_q <= OutBits'(Low);
        else if (shifted > TotalBits'(High)) y_q <= OutBits'(High);
        else y_q <= shifted[OutBits-1:0];
      end
    end
    assign y[l*OutBits +: OutBits] = y_q;
  end
  if (UseMultiplier != 0 || Leaky == 0) begin : gen_unused
    logic unused;
    assign unused = ^negative;
  end

  skid_buffer #(.Bits(Lanes * OutBits)) u_skid (
    .clk, .rst_n, .s_axis_tdata(y), .s_axis_tvalid(valid_q[Stages-1]), .s_axis_tready(out_ready),
    .s_axis_tlast(last_q[Stages-1]), .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );

`ifndef SYNTHESIS
  stream_assert #(.Bits(Lanes * InBits), .Beats(Pixels * Groups)) u_assert_in (
    .clk, .rst_n, .tdata(s_axis_tdata), .tvalid(s_axis_tvalid), .tready(s_axis_tready), .tlast(s_axis_tlast)
  );
  stream_assert #(.Bits(Lanes * OutBits), .Beats(Pixels * Groups)) u_assert_out (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`endif
endmodule

`default_nettype wire
