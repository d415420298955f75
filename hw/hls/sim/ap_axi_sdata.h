// The part of the vendor's ap_axi_sdata.h that gan2hls uses: an AXI4-Stream beat without side channels. Also for tools
// that have no such header.
#ifndef GAN2HLS_SIM_AP_AXI_SDATA_H
#define GAN2HLS_SIM_AP_AXI_SDATA_H

#include "../integers.h"

template <int DataBits, int UserBits, int IdBits, int DestBits>
struct ap_axiu {
    static_assert(DataBits > 0 && DataBits % 8 == 0, "TDATA is a whole number of bytes");
    static_assert(UserBits == 0 && IdBits == 0 && DestBits == 0, "this stand-in has no TUSER, TID and TDEST");

    gan2hls::exact_t<DataBits, false> data;
    gan2hls::exact_t<DataBits / 8, false> keep;
    gan2hls::exact_t<DataBits / 8, false> strb;
    gan2hls::exact_t<1, false> last;
};

#endif
