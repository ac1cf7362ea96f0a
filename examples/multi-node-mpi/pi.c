/* Pi by the midpoint rule, every rank its share of the intervals. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 1000000;
  int rank, size;
  double sum = 0, pi = 0;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (long i = rank; i < count; i += size) {
    double x = (i + 0.5) / count;
    sum += 4 / (1 + x * x);
  }
  MPI_Reduce(&sum, &pi, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
  if (rank == 0) printf("pi is %.6f by %d ranks\n", pi / count, size);
  MPI_Finalize();
  return 0;
}
