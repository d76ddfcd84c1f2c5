# SPDX-License-Identifier: GPL-2.0-only
# For gnuplot. shellcheck, which reads everything in this folder, is told to skip it.
# shellcheck shell=sh disable=all
#
# Cost against size of the BAR, one line for each variant: from bench.csv in 'dir'
# to bench.svg and, for those who read text, chart.txt

set datafile separator ","
set datafile missing NaN
set logscale xy
set format x "%.0b%B"
set format y "%.0s %cs"
set xtics ("4K" 4096, "64K" 65536, "2M" 2097152, "16M" 16777216, \
	   "256M" 268435456, "2G" 2147483648, "" 17179869184, \
	   "64G" 68719476736)
set xrange [2048:137438953472]
set xlabel "size of the BAR"
set ylabel "1 instruction being 1 ns"
set key top left

array title[4] = ["plain mmap(), then up to 524,288 reads", \
		  "the same off by one page", "DMA map, after plain mmap()", \
		  "a guest with the BAR, from start to power-off"]
array how[4] = ["plain", "misaligned", "plain", "guest"]
array what[4] = ["first_use", "first_use", "dma_map", "life"]
variants = "eager upstream series"

figure(variant, i) = strcol(1) eq variant && strcol(3) eq how[i] && \
		     strcol(4) eq what[i] ? $5 / 1e9 : NaN

set terminal svg size 1600,420 font "sans-serif,13" background "white"
set output dir."/bench.svg"
set multiplot layout 1,4
set grid
do for [i=1:4] {
	set title title[i]
	plot for [variant in variants] dir."/bench.csv" \
		using 2:(figure(variant, i)) with linespoints lw 2 title variant
}
unset multiplot

set terminal dumb noenhanced size 78,22
set output dir."/chart.txt"
unset grid
do for [i=1:4] {
	set title title[i]
	plot for [variant in variants] dir."/bench.csv" \
		using 2:(figure(variant, i)) with linespoints title variant
}
