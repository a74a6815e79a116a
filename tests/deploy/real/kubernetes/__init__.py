"""The chart, rendered by the real helm and given to a real kube-apiserver."""
