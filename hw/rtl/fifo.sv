// Stream FIFO of any depth.
//
//   m[n] = s[n], beat by beat; capacity exactly Depth beats, the output register included
//
//   Depth 1   one register; a beat every second cycle; latency 1
//   Depth 2   a skid buffer; a beat every cycle; latency 1
//   Depth 3+  Depth - 1 words of memory read synchronously into the output register, so that a deep FIFO
//             becomes block RAM and a shallow one LUT RAM; a beat every cycle; latency 2
//
// `s_axis_tready` depends on registers alone.

`default_nettype none

module fifo #(
  parameter int unsigned Depth = 16,
  parameter int unsigned Bits  = 8
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

  if (Depth < 1) begin : gen_bad_depth
    $error("fifo: Depth must be at least 1");
  end
  if (Bits < 1) begin : gen_bad_bits
    $error("fifo: Bits must be at least 1");
  end

  if (Depth == 1) begin : gen_register
    logic [Bits:0] beat_q;
    logic          valid_q;

    assign s_axis_tready = !valid_q;
    assign m_axis_tvalid = valid_q;
    assign {m_axis_tlast, m_axis_tdata} = beat_q;

    always_ff @(posedge clk) begin
      if (!rst_n)       valid_q <= 1'b0;
      else if (valid_q) valid_q <= !m_axis_tready;
      else              valid_q <= s_axis_tvalid;
    end

    always_ff @(posedge clk) begin
      if (!valid_q) beat_q <= {s_axis_tlast, s_axis_tdata};
    end
  end else if (Depth == 2) begin : gen_skid
    skid_buffer #(.Bits(Bits)) u_skid (
      .clk, .rst_n,
      .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .s_axis_tlast,
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
    );
  end else begin : gen_memory
    localparam int unsigned Words       = Depth - 1;
    localparam int unsigned AddressBits = $clog2(Words);
    localparam int unsigned LevelBits   = $clog2(Depth + 1);

    // A word is never written and read in the same cycle: a read waits until its word is in.
    (* no_rw_check *)
    logic [Bits:0]            mem [Words];
    logic [Bits:0]            out_q;
    logic                     out_valid_q;
    logic [AddressBits-1:0]   write_q, read_q;
    // Beats held in all, and beats in the memory. The memory never overflows: with the output register
    // empty it holds at most one beat, so it is full only when the whole FIFO is.
    logic [LevelBits-1:0]     level_q;
    logic [LevelBits-1:0]     stored_q;
    logic                     write, read, pop;

    assign s_axis_tready = level_q != LevelBits'(Depth);
    assign m_axis_tvalid = out_valid_q;
    assign {m_axis_tlast, m_axis_tdata} = out_q;

    assign write = s_axis_tvalid && s_axis_tready;
    assign pop   = m_axis_tvalid && m_axis_tready;
    assign read  = stored_q != '0 && (!out_valid_q || m_axis_tready);

    always_ff @(posedge clk) begin
      if (write) mem[write_q] <= {s_axis_tlast, s_axis_tdata};
      if (read)  out_q <= mem[read_q];
    end

    always_ff @(posedge clk) begin
      if (!rst_n) begin
        write_q     <= '0;
        read_q      <= '0;
        level_q     <= '0;
        stored_q    <= '0;
        out_valid_q <= 1'b0;
      end else begin
        if (write) write_q <= (write_q == AddressBits'(Words - 1)) ? '0 : write_q + AddressBits'(1);
        if (read)  read_q  <= (read_q == AddressBits'(Words - 1)) ? '0 : read_q + AddressBits'(1);
        level_q     <= level_q + LevelBits'(write) - LevelBits'(pop);
        stored_q    <= stored_q + LevelBits'(write) - LevelBits'(read);
        out_valid_q <= read || (out_valid_q && !m_axis_tready);
      end
    end
  end

`ifndef SYNTHESIS
  stream_assert #(.Bits(Bits), .Beats(0)) u_assert (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`endif

endmodule

`default_nettype wire
