#include "packed_products_avx512.h"
