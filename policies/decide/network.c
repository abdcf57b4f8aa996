/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include <math.h>

static float clip(float x, float bound)
{
	/* written so that NaN passes through, for the guard to see */
	return x > bound ? bound : x < -bound ? -bound : x;
}

static void layer_forward(const struct network_layer *layer, const float *in, float *out)
{
	for (size_t o = 0; o < layer->nr_out; o++) {
		const float *row = layer->weight + o * layer->nr_in;
		float sum = layer->bias[o];

		for (size_t i = 0; i < layer->nr_in; i++)
			sum += row[i] * in[i];
		out[o] = sum;
	}
}

void network_forward(const struct network *n, const float *observation, float *action)
{
	float a[NETWORK_MAX_WIDTH], b[NETWORK_MAX_WIDTH];
	float *in = a, *out = b;
	size_t nr_out = 0;

	for (size_t i = 0; i < n->layers[0].nr_in; i++)
		in[i] = clip((observation[i] - n->mean[i]) * n->scale[i], n->clip);
	for (size_t l = 0; l < n->nr_layers; l++) {
		float *swap = in;

		nr_out = n->layers[l].nr_out;
		layer_forward(&n->layers[l], in, out);
		for (size_t o = 0; l + 1 < n->nr_layers && o < nr_out; o++)
			out[o] = tanhf(out[o]);
		in = out;
		out = swap;
	}
	for (size_t o = 0; o < nr_out; o++)
		action[o] = n->output == NETWORK_TANH ? tanhf(in[o]) : clip(in[o], 1.0f);
}
