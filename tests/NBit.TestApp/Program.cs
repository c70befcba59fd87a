// A program for tests that need a process of their own: interposition ORDER, or train FOLDER.
using NBit.TestApp;

return args switch
{
    ["interposition", var order] => Interposition.Run(order),
    ["train", var folder] => Training.Run(folder),
    _ => throw new ArgumentException($"unknown arguments: {string.Join(' ', args)}"),
};
