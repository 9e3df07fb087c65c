"""A graph convolutional network (Kipf and Welling, "Semi-supervised classification with graph convolutional
networks", 2016), with the product of the adjacency and the features as a Function of its own."""

import json
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.parameter import Parameter

rng = np.random.default_rng(1)


class Aggregate(torch.autograd.Function):
    """Sums weight * x[source] into the rows `target`: a sparse matrix, given by its entries, times x."""

    @staticmethod
    def forward(ctx, x, source, target, weight):
        ctx.save_for_backward(source, target, weight)
        messages = x[source] * weight.unsqueeze(1)
        return torch.zeros_like(x).index_add_(0, target, messages)

    @staticmethod
    def backward(ctx, grad_output):
        source, target, weight = ctx.saved_tensors
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.zeros_like(grad_output)
            grad_x.index_add_(0, source, grad_output[target] * weight.unsqueeze(1))
        return grad_x, None, None, None


class GraphConvolution(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = Parameter(torch.empty(in_features, out_features))
        if bias:
            self.bias = Parameter(torch.empty(out_features))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        stdv = 1.0 / math.sqrt(self.weight.size(1))
        for parameter in self.parameters():
            values = rng.uniform(-stdv, stdv, tuple(parameter.shape)).astype(np.float32)
            parameter.data.copy_(torch.from_numpy(values))

    def forward(self, input, edges):
        output = Aggregate.apply(torch.mm(input, self.weight), *edges)
        return output if self.bias is None else output + self.bias


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass):
        super().__init__()
        self.gc1 = GraphConvolution(nfeat, nhid)
        self.gc2 = GraphConvolution(nhid, nclass)

    def forward(self, x, edges):
        x = F.relu(self.gc1(x, edges))
        x = self.gc2(x, edges)
        return F.log_softmax(x, dim=1)


def communities(nodes, classes, nfeat):
    """Nodes with links within their class for the most part, and features that hint at it."""
    labels = rng.integers(classes, size=nodes)
    same = labels[:, None] == labels[None]
    linked = np.triu(rng.random((nodes, nodes)) < np.where(same, 0.2, 0.02), 1)
    adjacency = linked | linked.T | np.eye(nodes, dtype=bool)
    degree = adjacency.sum(1)
    target, source = np.nonzero(adjacency)
    weight = (degree[target] * degree[source]) ** -0.5
    features = rng.standard_normal((nodes, nfeat)) + np.eye(classes, nfeat)[labels]
    edges = (torch.from_numpy(source), torch.from_numpy(target), torch.from_numpy(weight.astype(np.float32)))
    return torch.from_numpy(features).float(), torch.from_numpy(labels), edges


def main(steps=20):
    features, labels, edges = communities(nodes=80, classes=4, nfeat=16)
    idx_train = torch.arange(0, 30)
    model = GCN(nfeat=16, nhid=12, nclass=4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    losses = []
    for _ in range(steps):
        model.train()
        optimizer.zero_grad()
        output = model(features, edges)
        loss_train = F.nll_loss(output[idx_train], labels[idx_train])
        loss_train.backward()
        optimizer.step()
        losses.append(loss_train.item())
    return losses


if __name__ == "__main__":
    print(json.dumps(main()))
