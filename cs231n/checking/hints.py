"""Three hints for each exercise: the idea; the equation and the picture; shapes and the order of the steps.

A hint never gives the line of code.
"""

import re
import textwrap

from cs231n.checking.edition import UnknownName, label_of

__all__ = ["HINTS", "STEPS", "format_hint", "wrap_hint"]

STEPS = ("the idea", "the equation and the picture", "shapes and the order of the steps")

HINTS: dict[str, tuple[str, str, str]] = {
    "affine_forward": (
        """
An affine layer has M units. Each unit multiplies every number of an example by a weight of its own, adds
the products up, and adds one bias. For a whole batch these sums are one product of two matrices.
""",
        """
Entry (i, j) of the result is the sum over k of x_ik w_kj, plus b_j. Read notebook 1, section 9. Picture:
the rows of x are examples, the columns of w are units. Where row i meets column j, there is entry (i, j).
""",
        """
1. Give x the shape (N, D): each example becomes one row. D is the number of rows of w.
2. Multiply (N, D) by (D, M). The result has the shape (N, M).
3. Add b, of shape (M,). NumPy adds it to every row.
4. Return the result and a cache. affine_backward needs x in its first shape, and w.
""",
    ),
    "affine_backward": (
        """
Each entry of the output is a sum of products. In a product, the slope for one factor is the other factor.
Then ask for each input: which outputs does it reach? Its gradient collects a part from each of them.
""",
        """
Read notebook 1, section 9. With rows i, inputs k and units j:

- the gradient at x_ik is the sum over j of dout_ij w_kj: x_ik reaches every unit of row i;
- the gradient at w_kj is the sum over i of x_ik dout_ij: w_kj reaches unit j of every row;
- the gradient at b_j is the sum over i of dout_ij: b_j is added to every row.

Picture: sums over a shared index are matrix products. Which index is summed says which matrix is
transposed.
""",
        """
1. Take x and w out of the cache. Give x the shape (N, D), as in the forward pass.
2. dx: combine (N, M) with w of shape (D, M) so that M disappears. The result is (N, D).
3. Give dx the shape that x had when it came in.
4. dw: combine x (N, D) with dout (N, M) so that N disappears. The result is (D, M).
5. db: add up the rows of dout. The result is (M,).
""",
    ),
    "relu_forward": (
        """
Relu keeps a number that is larger than zero, and replaces any other by zero. Each entry is treated alone.
""",
        """
The output is the larger of 0 and x. Read notebook 1, section 9. Picture: a line that lies on the axis on
the left of zero, and climbs with slope 1 on the right.
""",
        """
1. The output has the shape and the dtype of x. NumPy has a function for the larger of two numbers, entry by
   entry.
2. The backward pass asks where x was larger than zero. Put into the cache what answers this question.
3. Do not write into x: its caller still needs it.
""",
    ),
    "relu_backward": (
        """
Where the forward pass let a number through, its slope is 1, and the gradient goes through as it is. Where
it gave zero, the slope is 0, and no gradient goes through.
""",
        """
By the chain rule, dx is dout times the slope of relu at x. Read notebook 1, section 9. The slope is 1 where
x is larger than 0, and 0 elsewhere. At x = 0 the slope is not defined; this kit takes 0. Picture: a gate
for each entry, open or closed.
""",
        """
1. Take from the cache what says where x was larger than zero: an array of the shape of x.
2. Combine it with dout, entry by entry. dx has the shape of x.
3. Test with an x that holds a zero, and check that dx is zero there.
""",
    ),
    "softmax_loss": (
        """
Softmax turns the scores of an example into probabilities that add up to 1. The loss is small where the
probability of the right class is large. Its gradient pushes the score of the right class up, and all the
scores down in proportion to their probabilities.
""",
        """
Read notebook 1, section 9. The loss is the mean over i of minus log p_i, where p_i is the probability of
the right class of example i. A probability does not change when the same number is subtracted from all
scores of its row, so subtract the largest: then exp cannot overflow.

For one example, the gradient at a score is its probability, less 1 at the right class. Check: the entries
of each row of dx add up to 0. The mean over the batch divides all by N.
""",
        """
1. The largest score of each row, of shape (N, 1). Subtract it from x; the result is (N, C).
2. The logarithm of p is the shifted score less the logarithm of the sum of exp over its row, of shape (N,
   1). Stay with logarithms: log(exp(...)) of a tiny number is minus infinity.
3. Pick one entry of each row by two index arrays: the numbers 0 to N - 1, and y. Their mean gives the loss.
4. dx starts as p, of shape (N, C). Change it at the entries of step 3, then divide by N.
""",
    ),
    "batchnorm_forward": (
        """
Each feature, a column of x, is shifted and scaled so that it has mean 0 and variance 1 over the batch. Then
gamma and beta, which the net learns, give it a new scale and a new mean. In test mode there may be one
example alone, so averages that were collected in training take the place of the statistics of the batch.
""",
        """
Equations (1) to (4) in notebook 2, section 2; the graph in notebook 2, section 3 has a node for each of
them. Variance: the mean of squared distances from the mean, divided by N and not by N - 1. eps stands under
the root. The running statistics are a weighted average: momentum is the weight of the past, 1 - momentum
that of this batch.
""",
        """
1. Read mode, eps and momentum from bn_param; running statistics that are missing are zeros of shape (D,), of
   the dtype of x.
2. Mode "train": mean (D,), then x less the mean (N, D), then variance (D,), root (D,), x_hat (N, D), out
   (N, D). One line for each node keeps the backward pass simple.
3. Still in mode "train": compute both running statistics and write them back into bn_param.
4. Mode "test": x_hat from the running mean and the running variance; write nothing back.
5. The cache: what the graph needs on its way back. Which values stand next to a product or a root?
""",
    ),
    "batchnorm_backward": (
        """
Walk the graph of the forward pass from its end to its start. At each node there is one question: if this
value changes a little, how much does the next one change? Multiply what comes in from above by this slope.
The four paths from x to the output are grouped in three ways: the direct one, the one through the mean, and
the one through the variance, which holds two paths.
""",
        """
The graph in notebook 2, section 3; the walk in notebook 2, section 4. Two rules do most of the work:

- a value that is used at two places gets the sum of two gradients;
- a value that was handed to all N rows gets the sum over all rows; and a mean hands its gradient to all
  rows, each with a share of 1/N.

The same in mathematics: equations (5) to (16) in notebook 2, section 5.
""",
        """
Give each gradient a name, and write its shape behind the line. A gradient has the shape of its value.

1. dbeta (D,) and dgamma (D,): sums over the rows. The gradient of x_hat: (N, D).
2. x_hat is a product of x less the mean, and one over the root: one gradient (N, D), one gradient (D,).
3. From one over the root to the root, then to the variance: (D,) each.
4. From the variance to the squares (N, D), then to x less the mean: the second gradient of this value. Add
   the two.
5. x less the mean: x gets this gradient as it is; the mean (D,) gets minus its sum over the rows.
6. The mean gives each row its share. Add this to what x has already.

Still wrong? Often `check` can say which of the three ways is missing.
""",
    ),
    "batchnorm_backward_alt": (
        """
The gradient from the walk looks long, but much of it cancels. First do it with pen and paper: put one
equation into the other until x and mu appear only as x_hat. What is left needs two sums over the batch, and
you have both already: they are the gradients of beta and gamma.
""",
        """
Equations (17) to (20) in notebook 2, section 6. Equation (20) is the result. The picture is in notebook 2,
section 7: from the incoming gradient take away its mean, then take away its part along x_hat, then scale.
So each column of dx adds up to 0.
""",
        """
1. dbeta (D,) and dgamma (D,) as before: two sums over the rows.
2. Bring three arrays together in one bracket of shape (N, D): the incoming gradient; the gradient of beta
   and the gradient of gamma, each as a mean over the batch. One of the two means goes with x_hat.
3. One factor in front of the bracket, of shape (D,): the scale and the root.
4. Do not call batchnorm_backward. Compare with it: both must agree to about 1e-12 in float64.
""",
    ),
    "layernorm_forward": (
        """
It is batchnorm along the rows: each example, a row of x, gets mean 0 and variance 1. No example needs
another one, so training and testing are the same, and there are no running statistics.
""",
        """
Read notebook 2, section 8. Equations (1) to (4) of notebook 2, section 2 hold again, with sums over the D
entries of a row in place of the N entries of a column. gamma and beta still belong to columns. Picture: the
same table of numbers, with the arrows along the rows.
""",
        """
1. eps from ln_param; it may be missing, and then it is 1e-5.
2. Mean and variance over axis 1, each of shape (N, 1): keepdims=True makes them fit to x.
3. x_hat (N, D). Then gamma and beta, of shape (D,), and out (N, D).
4. The cache: what stands next to a product or a root, as in batchnorm.
""",
    ),
    "layernorm_backward": (
        """
It is batchnorm's backward pass along the rows, with one difference. In batchnorm, all entries of a sum
share one gamma, so it could go in front of the sum. Here each entry of a row has a gamma of its own.
""",
        """
Read notebook 2, section 8, and start at equation (19) in notebook 2, section 6: it still has the gradient
of x_hat in its sums, and not dgamma and dbeta. Exchange the axes, and D for N. dgamma and dbeta are sums
over the batch as before: equations (6) and (7).
""",
        """
1. dbeta (D,) and dgamma (D,): sums over the rows, axis 0.
2. The gradient of x_hat, of shape (N, D): gamma is in it.
3. Two means along each row, of shape (N, 1): that of the gradient of x_hat, and that of its product with
   x_hat.
4. Equation (19) with these means: dx (N, D). Check: the sum over each row of dx is 0.
""",
    ),
    "TwoLayerNet.loss": (
        """
A net is a chain of layers, and each layer brings its own backward pass. So the loss function only passes
arrays on: up through the layers to the scores, then from the loss down through the same layers in reverse.
""",
        """
Read notebook 3, section 1. The loss is the softmax loss plus 0.5 reg times the sum of all squared weights.
The factor 0.5 cancels the 2 of the square: each weight adds reg times itself to its gradient. Picture: X,
affine, relu, affine, scores, softmax; every arrow upwards has a cache, every arrow downwards uses it.
""",
        """
1. Up: affine_relu_forward with W1, b1 gives (N, H) and a cache; affine_forward with W2, b2 gives scores (N,
   C) and a cache.
2. Without labels, return the scores.
3. softmax_loss gives the loss and the gradient at the scores, (N, C). Add the regularization to the loss;
   biases have none.
4. Down: affine_backward with the second cache gives the gradients at the hidden units (N, H), at W2 and at
   b2. affine_relu_backward with the first cache gives those at W1 and b1; nobody needs its dx.
5. Add the part of the regularization to the gradients of W1 and W2. Return the loss and a dict with the
   keys of self.params.
""",
    ),
    "sgd_momentum": (
        """
The step does not follow the gradient at once. It has a velocity: a part of the last step stays, and the
gradient pushes it. Where gradients agree, steps grow; where they jump from side to side, they cancel.
""",
        """
Read notebook 3, section 4, and the docstring, which has both equations. Picture: a ball that rolls down a
valley. momentum is the part of its speed that it keeps in each step; the gradient, times the learning rate,
pulls it downhill, so with a minus sign.
""",
        """
1. config arrives complete: learning_rate, momentum, and a velocity with the shape of w.
2. First the new velocity, from the old one and dw. Write it into config["velocity"].
3. Then the next w, from w and the new velocity. Return it and config. w itself stays as it is.
""",
    ),
    "rmsprop": (
        """
Some weights have large gradients, some small ones. Divide each gradient by its usual size, and all weights
move at a similar pace. The usual size is the root of a running mean of squared gradients.
""",
        """
Read notebook 3, section 4, and the docstring, which has both equations. decay_rate is the weight of the
past; 1 - decay_rate is the weight of the new square. epsilon stands outside the root. Picture: a steep and
a flat direction of one valley, with steps of the same length in both.
""",
        """
1. config arrives complete: learning_rate, decay_rate, epsilon, and a cache with the shape of w.
2. First the new cache, from the old one and the square of dw. Write it into config["cache"].
3. Then the step, with the new cache and not the old one. Return the next w and config.
""",
    ),
    "adam": (
        """
Adam puts both ideas together: a running mean of gradients gives the direction, a running mean of squared
gradients gives the pace. Both means start at zero, so in the first steps they are too small. Adam corrects
this.
""",
        """
Read notebook 3, section 4, and the docstring, which has all the equations. m is the running mean of
gradients, v that of squares, t the number of steps. In step 1, m is (1 - beta1) times the gradient; the
correction divides by just this number. As t grows, the correction goes to 1. epsilon stands outside the
root.
""",
        """
1. config arrives complete; t is the number of steps before this one. Count t up first, and write it back.
2. The new m and the new v, each with the shape of w. Write both back into config as they are, not
   corrected.
3. The corrected m and v are for this step alone: put them into new variables.
4. The next w. Return it and config.
""",
    ),
    "dropout_forward": (
        """
In training, each unit is switched off with some probability, so that no unit can rely on a certain other
one. Those that stay are made larger, so that the mean of the output remains. Then testing needs no change
at all.
""",
        """
Read notebook 3, section 5. p is the probability to KEEP an entry. An entry is x/p with probability p, and 0
otherwise; its mean is p times x/p, which is x. Picture: a sheet with random holes, laid over x.
""",
        """
1. Mode "test": the output equals x, and there is no mask.
2. Mode "train": random numbers between 0 and 1 with the shape of x. With a seed in dropout_param they come
   from np.random.RandomState(seed), else from dropout_param["rng"] if it is there, else from np.random.
3. The mask: which of these numbers mean "keep", with probability p? Give it the dtype of x, and the factor
   that keeps the mean.
4. The output is x under the mask. The cache holds what dropout_backward needs: the mode, and the mask.
""",
    ),
    "dropout_backward": (
        """
For one call, the mask is a fixed array of numbers. The forward pass multiplies x by it, so the backward
pass is that of a product with a constant.
""",
        """
Read notebook 3, section 5. By the chain rule, dx is dout times the slope, and the slope of each entry is
its entry of the mask: 0 where it was dropped, 1/p where it was kept. Picture: the same sheet with the same
holes.
""",
        """
1. Take the mask out of the cache: it must be the one of the forward pass, not a new one.
2. Mode "test": there is no mask, and dx equals dout.
3. Mode "train": combine dout and the mask, entry by entry. dx has the shape of x.
""",
    ),
    "FullyConnectedNet": (
        """
It is TwoLayerNet with any number of layers, so the chain becomes a loop. All hidden layers are built alike:
affine, then a normalization if there is one, relu, then dropout if there is any. One function of
sandwiches.py does all this for one layer, and another one does its backward pass.
""",
        """
Read notebook 3, section 6. The loss is the softmax loss plus 0.5 reg times the sum of the squares of all W;
b, gamma and beta are not regularized. Picture: a ladder with L rungs. _scores climbs it and leaves a cache
on every rung, _loss comes down and picks them up. The last rung is an affine layer alone.
""",
        """
_scores:

1. For the hidden layers 1 to L - 1: self.layers.affine_norm_relu_dropout_forward takes the output of the
   layer below, W, b, gamma, beta, the entry of self.bn_params, self.normalization and self.dropout_param.
2. self.params has no gamma and beta without normalization; self.params.get gives None then. Layer i has
   entry i - 1 of self.bn_params, and this list is empty without normalization.
3. Layer L: self.layers.affine_forward. Return the scores (N, C) and all the caches.

_loss:

4. self.softmax_loss(scores, y) gives the loss and the gradient at the scores, (N, C).
5. Layer L: self.layers.affine_backward. Then the layers L - 1 down to 1, each with its own cache, by
   self.layers.affine_norm_relu_dropout_backward.
6. Put every gradient into a dict under the key of its parameter; gamma and beta only with a normalization.
7. Regularization last: all W from 1 to L, in the loss and in the gradients.
""",
    ),
    "batchnorm_double_backward": (
        """
batchnorm_backward is a function too: of dout, x and gamma. Here dx is its output, and ddx comes in from
above. For dout and gamma this is quickly done, because dx is linear in both. x is in three places: in 1/s,
and in two x_hat. When x moves, each of the three moves, and each gives one term.
""",
        """
The dx of equation (20) in notebook 2, with P as in notebook 5, section 1. What moves when x moves:
equations (29) to (33) in notebook 5, section 2; all of it together is equation (34). Section 3 says why (34)
is also the gradient with respect to x, and has the other two gradients, equations (37) and (39). Picture: the
three places of x in (20), with an arrow from each to its term in (34).
""",
        """
1. Take x_hat (N, D), 1/s (D,) and gamma (D,) out of your cache, or compute them from what is in it.
2. P is needed twice, of ddx and of dout: (N, D) each. A small function inside yours saves a copy.
3. ddout (N, D): it contains ddx, and dout is not in it.
4. dgamma (D,): a sum over the rows. gamma is not in it.
5. dx (N, D): two means with x_hat, (D,) each; then one more mean, of a product that contains P. Three terms
   in one bracket, one factor (D,) in front of it.
6. If you want to call batchnorm_backward, import it inside your function. At the top of the file it would
   be a circle, since layers.py imports this file.
""",
    ),
}


def format_hint(name: str, step: int, next_call: str) -> str:
    """A hint as Markdown, a line for each paragraph and each entry of a list.

    Args:
        name: of the exercise.
        step: 1 to 3.
        next_call: what shows another step, with {} in the place of its number.

    Raises:
        UnknownName: there is no such step, or no hint for the exercise.
    """
    if name not in HINTS:
        raise UnknownName(f"there is no hint for {name}; its docstring says what it does")
    if step not in (1, 2, 3):
        raise UnknownName(f"a hint has the steps 1, 2 and 3, got {step!r}")
    more = (
        f"Next, {STEPS[step]}:\n\n    {next_call.format(step + 1)}"
        if step < len(STEPS)
        else "This was the last hint. Still stuck? Write one step, then run `check` and read its message."
    )
    head = f"**{label_of(name)}. Hint {step} of {len(STEPS)}: {STEPS[step - 1]}**"
    body = re.sub(r"(?<!\n)\n(?!\n|- |\d\. ) *", " ", HINTS[name][step - 1].strip())
    return f"{head}\n\n{body}\n\n{more}"


def wrap_hint(markdown: str, width: int) -> str:
    """A hint as text for a terminal."""
    lines = markdown.replace("**", "").splitlines()
    return "\n".join(
        textwrap.fill(line, width, subsequent_indent=" " * len(mark[0]), break_on_hyphens=False)
        for line in lines
        if (mark := re.match(r"(- |\d\. )?", line))
    )
