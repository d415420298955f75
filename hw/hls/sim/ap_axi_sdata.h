// The part of the vendor's ap_axi_sdata.h that gan2hls uses: an AXI4-Stream beat without side channels.
#ifndef GAN2HLS_SIM_AP_AXI_SDATA_H
#define GAN2HLS_SIM_AP_AXI_SDATA_H

#include <ap_int.h>

template <int DataBits, int UserBits, int IdBits, int DestBits>
struct ap_axiu {
    static_assert(DataBits > 0 && DataBits % 8 == 0, "TDATA is a whole number of bytes");
    static_assert(UserBits == 0 && IdBits == 0 && DestBits == 0, "this stand-in has no TUSER, TID and TDEST");

    ap_uint<DataBits> data;
    ap_uint<DataBits / 8> keep;
    ap_uint<DataBits / 8> strb;
    ap_uint<1> last;
};

#endif
