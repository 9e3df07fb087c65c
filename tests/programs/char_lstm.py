"""A character-level LSTM (Graves, "Generating sequences with recurrent neural networks", 2013): its state
goes on from one piece of the text to the next, and in the end it writes a text of its own."""

import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

rng = np.random.default_rng(5)
TEXT = "she sells sea shells by the sea shore; the shells she sells are surely sea shells. " * 12
vocabulary = sorted(set(TEXT))
stoi = {c: i for i, c in enumerate(vocabulary)}
itos = dict(enumerate(vocabulary))


class CharLSTM(nn.Module):
    def __init__(self, vocab_size, embed_size=16, hidden_size=48, num_layers=2):
        super().__init__()
        self.num_layers = num_layers
        self.hidden_size = hidden_size
        self.embedding = nn.Embedding(vocab_size, embed_size)
        self.lstm = nn.LSTM(embed_size, hidden_size, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, vocab_size)
        self.init_weights()

    def init_weights(self):
        for name, parameter in self.named_parameters():
            bound = self.hidden_size**-0.5
            values = rng.uniform(-bound, bound, tuple(parameter.size())).astype(np.float32)
            parameter.data.copy_(torch.from_numpy(values))
            if "bias_hh" in name:  # the forget gates begin open
                parameter.data[self.hidden_size : 2 * self.hidden_size].fill_(1.0)

    def init_hidden(self, batch_size):
        weight = next(self.parameters())
        shape = (self.num_layers, batch_size, self.hidden_size)
        return weight.new_zeros(shape), weight.new_zeros(shape)

    def forward(self, x, hidden):
        out, hidden = self.lstm(self.embedding(x), hidden)
        return self.fc(out.contiguous().view(-1, self.hidden_size)), hidden


def batchify(data, batch_size):
    """One row for each sequence of a batch."""
    steps = data.size(0) // batch_size
    return data.narrow(0, 0, steps * batch_size).view(batch_size, -1)


def repackage_hidden(hidden):
    return tuple(h.detach() for h in hidden)


@torch.no_grad()
def sample(model, start, length, temperature=0.8):
    model.eval()
    hidden = model.init_hidden(1)
    text = list(start)
    x = torch.tensor([[stoi[c] for c in start]], dtype=torch.long)
    for _ in range(length):
        output, hidden = model(x, hidden)
        probabilities = F.softmax(output[-1].div(temperature), dim=0)
        index = torch.multinomial(probabilities, num_samples=1).item()
        text.append(itos[index])
        x = torch.tensor([[index]])
    return "".join(text)


def main(steps=20, bptt=24):
    data = batchify(torch.tensor([stoi[c] for c in TEXT], dtype=torch.int64), batch_size=8)
    model = CharLSTM(len(vocabulary))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    while len(losses) < steps:
        hidden = model.init_hidden(data.size(0))
        for i in range(0, data.size(1) - 1, bptt):
            seq_len = min(bptt, data.size(1) - 1 - i)
            inputs, targets = data[:, i : i + seq_len], data[:, i + 1 : i + 1 + seq_len]
            hidden = repackage_hidden(hidden)
            model.zero_grad()
            output, hidden = model(inputs, hidden)
            loss = criterion(output, targets.reshape(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)
            optimizer.step()
            losses.append(loss.item())
    torch.manual_seed(0)
    written = sample(model, start="she ", length=40)
    assert len(written) == 44 and set(written) <= set(vocabulary)
    print(written, file=sys.stderr)
    return losses[:steps]


if __name__ == "__main__":
    print(json.dumps(main()))
