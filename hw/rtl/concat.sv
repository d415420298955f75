// The channels of several streams one after the other, pixel by pixel.
//
//   pixel of m = the pixel of input 0, then that of input 1, … then that of the last input
//
// All inputs have Lanes lanes, and beats that are full, but for the last beat of the last input's pixel: so beats pass
// as they are. A pixel of input i is PixelBeats[i*32 +: 32] beats. An input is ready while it is selected and the
// spare entry of the output's skid buffer is free. Buses are the inputs' side by side, input 0 in the low bits.
// Latency 1; one beat a cycle: Pixels * sum of PixelBeats cycles a frame. `s_axis_tready` depends on registers alone.

`default_nettype none

module concat #(
  parameter int unsigned          Inputs     = 2,
  parameter int unsigned          Pixels     = 4,
  parameter int unsigned          Lanes      = 2,
  parameter int unsigned          Bits       = 8,
  parameter logic [Inputs*32-1:0] PixelBeats = {32'd3, 32'd1}
) (
  input  logic                         clk,
  input  logic                         rst_n,

  input  logic [Inputs*Lanes*Bits-1:0] s_axis_tdata,
  input  logic [Inputs-1:0]            s_axis_tvalid,
  output logic [Inputs-1:0]            s_axis_tready,
  input  logic [Inputs-1:0]            s_axis_tlast,

  output logic [Lanes*Bits-1:0]        m_axis_tdata,
  output logic                         m_axis_tvalid,
  input  logic                         m_axis_tready,
  output logic                         m_axis_tlast
);

  if (Inputs < 1 || Pixels < 1 || Lanes < 1 || Bits < 1) begin : gen_bad_size
    $error("concat: Inputs, Pixels, Lanes and Bits must be at least 1");
  end
  for (genvar i = 0; i < Inputs; i++) begin : gen_check
    if (PixelBeats[i*32 +: 32] < 1) begin : gen_bad_beats
      $error("concat: PixelBeats must be at least 1 for each input");
    end
  end

  function automatic int unsigned most_beats();
    most_beats = 1;
    for (int i = 0; i < Inputs; i++) begin
      if (PixelBeats[i*32 +: 32] > most_beats) most_beats = PixelBeats[i*32 +: 32];
    end
  endfunction

  localparam int unsigned MostBeats = most_beats();
  localparam int unsigned LeftBits  = MostBeats > 1 ? $clog2(MostBeats) : 1;

  // The selected input, one-hot, and the beats of its pixel that follow the next one.
  logic [Inputs-1:0]     select_q, select_next;
  logic [LeftBits-1:0]   left_q, left_next;
  logic                  selected_valid, last_beat, skid_ready;
  logic [Lanes*Bits-1:0] beat;

  assign s_axis_tready  = select_q & {Inputs{skid_ready}};
  assign selected_valid = |(s_axis_tvalid & select_q);
  assign last_beat      = left_q == '0;
  assign select_next    = (select_q << 1) | Inputs'(select_q[Inputs-1]);

  always_comb begin
    beat      = '0;
    left_next = '0;
    for (int i = 0; i < Inputs; i++) begin
      if (select_q[i])    beat |= s_axis_tdata[i*Lanes*Bits +: Lanes*Bits];
      if (select_next[i]) left_next |= LeftBits'(PixelBeats[i*32 +: 32] - 32'd1);
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      select_q <= Inputs'(1);
      left_q   <= LeftBits'(PixelBeats[31:0] - 32'd1);
    end else if (selected_valid && skid_ready) begin
      if (last_beat) begin
        select_q <= select_next;
        left_q   <= left_next;
      end else begin
        left_q <= left_q - LeftBits'(1);
      end
    end
  end

  skid_buffer #(.Bits(Lanes * Bits)) u_skid (
    .clk, .rst_n,
    .s_axis_tdata(beat), .s_axis_tvalid(selected_valid), .s_axis_tready(skid_ready),
    .s_axis_tlast(select_q[Inputs-1] && s_axis_tlast[Inputs-1]),
    .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );

  if (Inputs > 1) begin : gen_unused
    logic unused_tlast;
    assign unused_tlast = ^s_axis_tlast[Inputs-2:0];
  end

`ifndef SYNTHESIS
  function automatic int unsigned all_beats();
    all_beats = 0;
    for (int i = 0; i < Inputs; i++) all_beats += PixelBeats[i*32 +: 32];
  endfunction

  for (genvar i = 0; i < Inputs; i++) begin : gen_assert
    stream_assert #(.Bits(1), .Beats(Pixels * PixelBeats[i*32 +: 32])) u_assert_in (
      .clk, .rst_n, .tdata(1'b0), .tvalid(s_axis_tvalid[i]), .tready(s_axis_tready[i]), .tlast(s_axis_tlast[i])
    );
  end
  stream_assert #(.Bits(Lanes * Bits), .Beats(Pixels * all_beats())) u_assert_out (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`endif

endmodule

`default_nettype wire
