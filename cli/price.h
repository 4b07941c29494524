/* Prices as people read them. */
#ifndef CLI_PRICE_H
#define CLI_PRICE_H

#include "cli/document.h"

/* A price of the API (a number of pico-USD, or one with tiers) in USD: of a million tokens, else of
 * one unit. Heap. catalogue.c */
char *price_usd(const struct document *price, const char *unit);

#endif
