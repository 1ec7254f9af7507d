# The entropy device: its backend, and the test of both halves. (Its frontend is part of the guests' library.)

BACKENDS_RNG := backends/rng/device.cpp

$(eval $(call program,xylem-rngback,$(BACKENDS_RNG) backends/rng/main.cpp,backends xenstore dom0,$(BACKENDS_SERVICE_LDLIBS)))
$(eval $(call unit_test,rng,tests/unit/rng/rng_test.cpp frontends/rng/rng.cpp $(BACKENDS_RNG) $(BOTH_ENDS),,-lfmt))
