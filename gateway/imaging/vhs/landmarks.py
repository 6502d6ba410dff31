"""The seven landmarks of a lateral canine thorax, in the one order that everything here uses."""

LANDMARKS = (
    "heart_top",
    "heart_bottom",
    "heart_right",
    "heart_left",
    "VLAS",
    "Vertebra A",
    "Vertebra B",
)
"""Their classes in the public contract, placed where the literature puts them.

heart_top
    Ventral border of the carina: the dorsal end of the long axis.
heart_bottom
    Cardiac apex: the ventral end of the long axis.
heart_right, heart_left
    Cranial and caudal end of the short axis.
VLAS
    Caudal margin of the left atrium where it meets the dorsal border of the caudal vena cava.
Vertebra A
    Cranial edge of T4, ventral third of the body.
Vertebra B
    Caudal edge of T9, ventral third of the body.
"""

HEART_TOP, HEART_BOTTOM, HEART_RIGHT, HEART_LEFT, VLAS, VERTEBRA_A, VERTEBRA_B = range(len(LANDMARKS))

VHS_LANDMARKS = (HEART_TOP, HEART_BOTTOM, HEART_RIGHT, HEART_LEFT, VERTEBRA_A, VERTEBRA_B)
"""Those without which there is no VHS."""

VERTEBRAL_SPAN = 6
"""Vertebrae from Vertebra A to Vertebra B: T4 to T9."""
