// Assertions on one AXI4-Stream, for simulation only: no such module exists where SYNTHESIS is defined.
//
//   tvalid && !tready  ->  in the next cycle the same beat is still offered
//   tlast              ->  marks each Beats-th beat, and no other (Beats = 0: not checked)

`ifndef SYNTHESIS
`default_nettype none

module stream_assert #(
  parameter int unsigned Bits  = 8,
  parameter int unsigned Beats = 0
) (
  input logic            clk,
  input logic            rst_n,
  input logic [Bits-1:0] tdata,
  input logic            tvalid,
  input logic            tready,
  input logic            tlast
);

  a_hold : assert property (@(posedge clk) disable iff (!rst_n)
                            tvalid && !tready |=> tvalid && $stable(tdata) && $stable(tlast))
    else $error("%m: a beat was withdrawn or changed before it was taken");

  if (Beats > 0) begin : gen_tlast
    int unsigned beat_q;

    always_ff @(posedge clk) begin
      if (!rst_n)                 beat_q <= 0;
      else if (tvalid && tready)  beat_q <= (beat_q == Beats - 1) ? 0 : beat_q + 1;
    end

    a_tlast : assert property (@(posedge clk) disable iff (!rst_n) tvalid |-> tlast == (beat_q == Beats - 1))
      else $error("%m: tlast disagrees with the number of beats in a frame");
  end

endmodule

`default_nettype wire
`endif
