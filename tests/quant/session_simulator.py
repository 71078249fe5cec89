"""The simulation of the Avellaneda-Stoikov paper, used by the test of its published table.

A random walk of the mid in steps of dt, quotes from the kernels under test, and fills drawn as
Bernoulli(lambda(delta) dt) to the letter: the exact 1 - exp(-lambda dt) of a Poisson process earns
twelve percent less and does not reproduce the paper. Distances are not clipped at zero.
"""

import numba
import numpy as np

from aegis.quant.avellaneda_stoikov import average_spread, optimal_spread, reservation_price

SIGMA, HORIZON, STEP, ARRIVALS, DECAY, START = 2.0, 1.0, 0.005, 140.0, 1.5, 100.0
STEPS = 200
INVENTORY, SYMMETRIC = 0, 1


@numba.njit(nogil=True)
def simulate(risk_aversion: float, policy: float, paths: float, seed: float) -> float:
    """Run `paths` sessions; returns arrays (profit, final inventory) and the mean spread."""
    np.random.seed(seed)
    profit = np.zeros(paths)
    inventory = np.zeros(paths)
    spreads = 0.0
    constant = average_spread(risk_aversion, SIGMA, DECAY, HORIZON)
    for path in range(paths):
        mid, cash, held = START, 0.0, 0.0
        for step in range(STEPS):
            left = HORIZON - step * STEP
            centre, spread = mid, constant
            if policy == INVENTORY:
                centre = reservation_price(mid, held, risk_aversion, SIGMA, left)
                spread = optimal_spread(risk_aversion, SIGMA, DECAY, left)
            spreads += spread
            to_ask = centre + 0.5 * spread - mid
            to_bid = mid - (centre - 0.5 * spread)
            sold = np.random.random() < ARRIVALS * np.exp(-DECAY * to_ask) * STEP
            bought = np.random.random() < ARRIVALS * np.exp(-DECAY * to_bid) * STEP
            if sold:
                held -= 1.0
                cash += mid + to_ask
            if bought:
                held += 1.0
                cash -= mid - to_bid
            mid += SIGMA * np.sqrt(STEP) * (1.0 if np.random.random() < 0.5 else -1.0)
        profit[path] = cash + held * mid
        inventory[path] = held
    return profit, inventory, spreads / (paths * STEPS)
