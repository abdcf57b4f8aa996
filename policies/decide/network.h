/* SPDX-License-Identifier: Apache-2.0 */
/* A small feed-forward network: normalised input, tanh hidden layers, bounded output. */
#ifndef DT_NETWORK_H
#define DT_NETWORK_H

#include <stddef.h>

#define NETWORK_MAX_LAYERS 8
#define NETWORK_MAX_WIDTH 1024

/* Weights are row-major, one row an output, as torch stores them.  The arrays are borrowed. */
struct network_layer {
	const float *weight;
	const float *bias;
	size_t nr_in;
	size_t nr_out;
};

/* How the last layer is brought into [-1, 1]: as the actor was in training. */
enum network_output {
	NETWORK_CLIP,
	NETWORK_TANH,
};

struct network {
	const float *mean;
	const float *scale;
	float clip;
	enum network_output output;
	size_t nr_layers;
	struct network_layer layers[NETWORK_MAX_LAYERS];
};

/* @action receives as many values as the last layer has outputs, each in [-1, 1] or NaN. */
void network_forward(const struct network *network, const float *observation, float *action);

#endif
