"""An actor-critic net that balances a pole (Barto, Sutton and Anderson, "Neuronlike adaptive elements that
can solve difficult learning control problems", 1983): one update after each episode."""

import json
import math
from collections import namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

rng = np.random.default_rng(3)
eps = np.finfo(np.float32).eps.item()
SavedAction = namedtuple("SavedAction", ["log_prob", "value"])


class CartPole:
    """The equations of motion of the paper, by Euler's method, 20 milliseconds a step."""

    def reset(self):
        self.state = rng.uniform(-0.05, 0.05, 4)
        return self.state

    def step(self, action):
        x, x_dot, theta, theta_dot = self.state
        force = 10.0 if action == 1 else -10.0
        temp = (force + 0.05 * theta_dot**2 * math.sin(theta)) / 1.1
        theta_acc = (9.8 * math.sin(theta) - math.cos(theta) * temp) / (
            0.5 * (4.0 / 3.0 - 0.1 * math.cos(theta) ** 2 / 1.1)
        )
        x_acc = temp - 0.05 * theta_acc * math.cos(theta) / 1.1
        change = np.array([x_dot, x_acc, theta_dot, theta_acc])
        self.state = self.state + 0.02 * change
        done = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 12 * math.pi / 180
        return self.state, 1.0, bool(done)


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 32)
        self.action_head = nn.Linear(32, 2)
        self.value_head = nn.Linear(32, 1)
        self.saved_actions = []
        self.rewards = []
        for parameter in self.parameters():
            values = rng.standard_normal(tuple(parameter.shape)) * parameter.shape[-1] ** -0.5
            parameter.data = torch.tensor(values, dtype=torch.float32)

    def forward(self, x):
        x = F.relu(self.affine1(x))
        action_prob = F.softmax(self.action_head(x), dim=-1)
        return action_prob, self.value_head(x)


def select_action(model, state):
    state = torch.from_numpy(state).float()
    probs, state_value = model(state)
    action = int(rng.random() < probs[1].item())
    model.saved_actions.append(SavedAction(torch.log(probs[action]), state_value))
    return action


def finish_episode(model, optimizer, gamma=0.99):
    R = 0
    policy_losses = []
    value_losses = []
    returns = []
    for r in model.rewards[::-1]:
        R = r + gamma * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    for (log_prob, value), R in zip(model.saved_actions, returns, strict=True):
        advantage = R - value.item()
        policy_losses.append(-log_prob * advantage)
        value_losses.append(F.smooth_l1_loss(value, torch.tensor([R])))
    optimizer.zero_grad()
    loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
    loss.backward()
    optimizer.step()
    del model.rewards[:]
    del model.saved_actions[:]
    return loss.item()


def main(steps=20):
    env = CartPole()
    model = Policy()
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        state = env.reset()
        for _ in range(200):
            state, reward, done = env.step(select_action(model, state))
            model.rewards.append(reward)
            if done:
                break
        losses.append(finish_episode(model, optimizer))
    return losses


if __name__ == "__main__":
    print(json.dumps(main()))
