# Measures the record of nnet, which comes with R.
library(nnet)
options(digits = 15)

claims <- list()
say <- function(id, value) claims[[paste0("nnet.", id)]] <<- value

x <- matrix(c(-1, -0.5, 0, 0.5, 1, 1.5), ncol = 1)
y <- c(0.1, 0.4, 0.3, 0.6, 0.5, 0.9)
start <- c(0.3, -0.2, 0.5, 0.7)  # the bias and the weight of one hidden unit, then of the output
fit <- function(decay, maxit = 0, ...) {
  nnet(x, y, size = 1, decay = decay, Wts = start, maxit = maxit, trace = FALSE, linout = TRUE, ...)
}

# the reported value before any step is the objective at the start
added <- fit(0.1)$value - fit(0)$value
residuals <- y - (start[3] + start[4] / (1 + exp(-(start[1] + start[2] * x))))
say("nnet.factor", round(added / 0.1 / sum(start^2), 4))
say("nnet.biases", isTRUE(all.equal(added, 0.1 * sum(start^2))))
say("nnet.norm", "l2")
say("nnet.reduction", "sum")
stopifnot(isTRUE(all.equal(fit(0)$value, sum(residuals^2))))  # no half
twice <- nnet(rbind(x, x), c(y, y), size = 1, decay = 0.1, Wts = start, maxit = 0, trace = FALSE,
              linout = TRUE)
same <- isTRUE(all.equal(twice$value, 2 * fit(0)$value + added))
say("nnet.divided_by", if (same) "rows" else "nothing")  # beside a mean, it falls with the rows
say("nnet.in_reported_loss", if (added > 0) "always" else "never")
say("nnet.selected_by", "all")
say("nnet.default", formals(nnet:::nnet.default)$decay)
say("nnet.maxit", formals(nnet:::nnet.default)$maxit)
short <- fit(0, maxit = 2)
say("nnet.convergence_after_maxit", short$convergence)
squeezed <- nnet(x, y * 100, size = 2, maxit = 50, trace = FALSE)
say("nnet.largest_fit_without_linout", ceiling(max(squeezed$fitted.values)))

show <- function(value) {
  if (is.character(value)) return(paste0('"', value, '"'))
  if (is.logical(value)) return(tolower(as.character(value)))
  format(value)
}
claims <- c(claims, list(version = packageDescription("nnet")$Version))
lines <- paste0('"', names(claims), '": ', vapply(claims, show, ""))
cat("{", paste(lines, collapse = ",\n"), "}\n")
