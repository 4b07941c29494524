# Makes catalogue.json: cmake -DSOURCE=common/catalogue -DFOLDER=<scratch> -DOUTPUT=<file> -P build.cmake
#
# The packages are installed into the build directory, so that the checkout stays as it is and two builds never share
# a node_modules folder. npm is looked for here and not when CMake configures: set-up scripts may bring it later.
cmake_minimum_required(VERSION 3.25)
find_program(NODE node)
find_program(NPM npm)
if(NOT NODE OR NOT NPM)
    message(FATAL_ERROR "the model catalogue needs Node.js and npm (Debian: apt-get install nodejs npm). Without them, "
        "configure with -DWEIR_CATALOGUE=OFF: the programs then know no prices until a catalogue is given to them.")
endif()
file(SHA256 ${SOURCE}/package-lock.json lock)
set(installed "")
if(EXISTS ${FOLDER}/installed)
    file(READ ${FOLDER}/installed installed)
endif()
if(NOT installed STREQUAL lock)
    file(COPY ${SOURCE}/package.json ${SOURCE}/package-lock.json ${SOURCE}/.npmrc DESTINATION ${FOLDER})
    execute_process(COMMAND ${NPM} ci --no-audit --no-fund --ignore-scripts --loglevel=error
        WORKING_DIRECTORY ${FOLDER} RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
    if(failed)
        message(FATAL_ERROR "npm ci of the catalogue's packages failed:\n${said}")
    endif()
    file(WRITE ${FOLDER}/installed ${lock})
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -E env WEIR_CATALOGUE_FOLDER=${FOLDER} ${NODE} ${SOURCE}/build.mjs ${OUTPUT}
    RESULT_VARIABLE failed ERROR_VARIABLE said)
if(failed)
    message(FATAL_ERROR "the model catalogue could not be built:\n${said}")
endif()
