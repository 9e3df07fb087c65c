"""A convolutional network on handwritten digits, in plain verigrad: python examples/mnist_cnn.py [epochs]

Reads the part of MNIST that comes with verigrad. For the full set, replace MNISTMini by MNIST("folder", ...).
"""

import sys

import verigrad
from verigrad import nn, optim
from verigrad.utils.data import DataLoader
from verigrad.vision import datasets, models, transforms

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
verigrad.manual_seed(0)

to_input = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
train_loader = DataLoader(datasets.MNISTMini(train=True, transform=to_input), batch_size=64, shuffle=True)
test_loader = DataLoader(datasets.MNISTMini(train=False, transform=to_input), batch_size=250)
# Works on a whole batch; each image moves by another angle and shift. The fill is the background.
move = transforms.RandomAffine(
    10, (0.08, 0.08), interpolation=transforms.InterpolationMode.BILINEAR, fill=-0.1307 / 0.3081
)

model = models.MNISTCNN()
loss_fn = nn.CrossEntropyLoss(label_smoothing=0.05)
optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)

for epoch in range(1, epochs + 1):
    model.train()
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = loss_fn(model(move(images)), labels)
        loss.backward()
        optimizer.step()
    scheduler.step()
    model.eval()
    with verigrad.no_grad():
        correct = sum(int((model(images).argmax(1) == labels).sum()) for images, labels in test_loader)
    print(
        f"epoch {epoch:2d}  last loss {loss.item():.4f}  test accuracy "
        f"{correct / len(test_loader.dataset):.4f}"
    )

verigrad.save(model.state_dict(), "mnist_cnn.safetensors")
print("parameters in mnist_cnn.safetensors")
